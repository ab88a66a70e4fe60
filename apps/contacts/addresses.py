"""Email addresses: reading what people type, and the one form that everything looks up by.

The rules are email-validator's, without any look-up on the network. Addresses whose part before
the @ is not plain ASCII are refused: they need SMTPUTF8, which email providers do not offer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from apps.contacts.errors import InvalidAddressError

LOCAL_PART_LIMIT = 64
ADDRESS_LIMIT = 254
# Nothing longer is looked at: a display name, angle brackets and an address fit many times.
RAW_LIMIT = 1000


class AddressFault(StrEnum):
    """Which rule an address breaks."""

    EMPTY = "empty"
    NO_AT_SIGN = "no_at_sign"
    SEVERAL = "several_addresses"
    TOO_LONG = "too_long"
    INTERNATIONAL = "international_local_part"
    SYNTAX = "syntax"


@dataclass(frozen=True, slots=True)
class Address:
    """One address in its two forms.

    `email` is shown to people: case as typed, domain in Unicode. `address` is looked up and put on
    the wire: lower case, ASCII, an internationalised domain as its A-label.
    """

    email: str
    address: str


# What nearly every address looks like, decided without the library: plain ASCII, no label with
# hyphens in third and fourth place (Punycode and its kin need the library).
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATOM = r"[a-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_PLAIN = re.compile(
    rf"({_ATOM}(?:\.{_ATOM})*)"
    rf"@(?:{_LABEL}\.)+(?!..--)([a-z](?:[a-z0-9-]{{0,61}}[a-z])?)"
)
_SPECIAL_LAST_LABELS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
_ROLE_NAMES = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)

# White space, and the invisible marks that copying from pages and sheets leaves behind.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
_EDGES = " \t\r\n\v\f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TRIM = re.compile(rf"^[{_EDGES}{_INVISIBLE}]+|[{_EDGES}{_INVISIBLE}]+$")
_BRACKETED = re.compile(r"[^<>]*<([^<>]*)>", re.DOTALL)


def normalise(raw: str) -> Address:
    """The address in `raw`, which may be `mailto:a@b.c`, `Anna <a@b.c>` or end in a dot.

    Raises InvalidAddressError, whose message names rule, limit and fix but never the address.
    """
    plain = _plain(raw)
    return plain if plain is not None else _by_library(extract(raw))


def is_address(raw: str) -> bool:
    try:
        normalise(raw)
    except InvalidAddressError:
        return False
    return True


def extract(raw: str) -> str:
    """The bare address without wrapping: spaces, `mailto:`, display name, end punctuation."""
    if len(raw) > RAW_LIMIT:
        raise _too_long()
    text = _TRIM.sub("", raw)
    if bracketed := _BRACKETED.fullmatch(text):
        text = _TRIM.sub("", bracketed[1])
    if text[:7].lower() == "mailto:":
        text = unquote(text[7:].partition("?")[0])
    text = text.strip("'\"") if text[:1] == text[-1:] else text
    return _TRIM.sub("", text).rstrip(".,;")


def _plain(raw: str) -> Address | None:
    lower = raw.lower()
    # Some letters beyond ASCII have ASCII lower-case forms (the Kelvin sign): ask `raw` itself.
    match = _PLAIN.fullmatch(lower) if raw.isascii() and len(raw) <= ADDRESS_LIMIT else None
    if match is None or match.end(1) > LOCAL_PART_LIMIT or match[2] in _SPECIAL_LAST_LABELS:
        return None
    if lower == raw:
        return Address(raw, raw)
    at = match.end(1)
    shown = match[1] if match[1] in _ROLE_NAMES else raw[:at]
    return Address(shown + lower[at:], lower)


def _by_library(text: str) -> Address:
    _refuse_early(text)
    try:
        # strict: the part before the @ has at most 64 characters.
        valid = validate_email(text, allow_smtputf8=False, strict=True, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidAddressError(AddressFault.SYNTAX, _without_values(str(error))) from None
    return Address(valid.normalized, f"{valid.local_part}@{valid.ascii_domain}".lower())


def _refuse_early(text: str) -> None:
    """The faults that real lists have most, in words of ours."""
    if not text:
        raise InvalidAddressError(AddressFault.EMPTY, "The address is empty: fill it in.")
    local, at, _ = text.rpartition("@")
    if not at:
        raise InvalidAddressError(
            AddressFault.NO_AT_SIGN, "An address needs an @: write name@domain."
        )
    if "@" in local and not local.startswith('"'):
        raise InvalidAddressError(
            AddressFault.SEVERAL, "There is more than one @: give one address only."
        )
    if len(local) > LOCAL_PART_LIMIT or len(text) > ADDRESS_LIMIT:
        raise _too_long()
    if not local.isascii():
        raise InvalidAddressError(
            AddressFault.INTERNATIONAL,
            "The part before the @ has letters beyond ASCII, which email providers refuse: "
            "use another address of this person (letters after the @ are fine).",
        )


def _too_long() -> InvalidAddressError:
    return InvalidAddressError(
        AddressFault.TOO_LONG,
        f"The address is too long: at most {LOCAL_PART_LIMIT} characters before the @ and "
        f"{ADDRESS_LIMIT} in all.",
    )


def _without_values(message: str) -> str:
    """The library's sentence without what it quotes from the address in brackets."""
    sentence = re.sub(r"\s+\(.*\)", "", message, flags=re.DOTALL)
    return sentence.replace("email address", "address")
