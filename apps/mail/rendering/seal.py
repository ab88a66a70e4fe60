"""The exact request body of a batch of mails: pure functions, the same bytes every time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

import orjson

from apps.mail.rendering.problems import RenderingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps.mail.rendering.mails import RenderedMail

MAX_BATCH = 100
MAX_ADDRESS_CHARACTERS = 320
MAX_NAME_CHARACTERS = 200
# A header line has at most 998 characters (RFC 5322, 2.1.1).
MAX_URL_CHARACTERS = 900


class SealError(RenderingError):
    """A mail cannot be put into a request. `field` names what is wrong, never its value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who a mail is from: an address with a display name, which may be ""."""

    name: str
    address: str


class EmailTag(TypedDict):
    name: str
    value: str


# `from` is a keyword, hence the other way of writing a TypedDict.
EmailRequest = TypedDict(
    "EmailRequest",
    {
        "from": str,
        "to": list[str],
        "subject": str,
        "html": str,
        "text": str,
        "reply_to": str,
        "headers": dict[str, str],
        "tags": list[EmailTag],
    },
    total=False,
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ADDRESS = re.compile(r"[^\s<>(),;:\"\\\[\]@]+@[^\s<>(),;:\"\\\[\]@]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_URL = re.compile(r"[!#-;=?-\[\]^-z|~]+")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def build_email(  # noqa: PLR0913 - the fields of a mail
    *,
    sender: Mailbox,
    to: str,
    rendered: RenderedMail,
    tags: Mapping[str, str],
    reply_to: str = "",
    unsubscribe_url: str = "",
) -> EmailRequest:
    """One mail as the provider's batch call takes it.

    `unsubscribe_url` is for commercial mail, and puts one-click unsubscription (RFC 8058) into
    its headers. Raises `SealError`.
    """
    email: EmailRequest = {
        "from": format_mailbox(sender),
        "to": [_address("to", to)],
        "subject": _header_text("subject", rendered.subject),
        "html": rendered.html,
        "text": rendered.text,
    }
    if reply_to:
        email["reply_to"] = _address("reply_to", reply_to)
    if unsubscribe_url:
        email["headers"] = {
            "List-Unsubscribe": f"<{_one_click_url(unsubscribe_url)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    if tags:
        email["tags"] = [_tag(name, value) for name, value in tags.items()]
    return email


def encode_batch(emails: Sequence[EmailRequest]) -> bytes:
    """The request body: a JSON array in UTF-8. Raises `SealError`."""
    if not 1 <= len(emails) <= MAX_BATCH:
        raise SealError("batch", f"has {len(emails)} mails; 1 to {MAX_BATCH} go together")
    try:
        return orjson.dumps(emails)
    except TypeError as error:
        raise SealError("batch", "contains text that is not valid Unicode") from error


@lru_cache(maxsize=256)
def format_mailbox(mailbox: Mailbox) -> str:
    """`Name <address>` as RFC 5322 writes it; the name in UTF-8, quoted where it must be."""
    address = _address("from", mailbox.address)
    name = _header_text("from name", mailbox.name).strip()
    if len(name) > MAX_NAME_CHARACTERS:
        raise SealError("from name", f"has more than {MAX_NAME_CHARACTERS} characters")
    if not name:
        return address
    if not _ATOMS.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


def _address(field: str, address: str) -> str:
    if len(address) > MAX_ADDRESS_CHARACTERS or not _ADDRESS.fullmatch(address):
        raise SealError(field, "is no plain address such as name@example.com")
    return _header_text(field, address)


def _header_text(field: str, text: str) -> str:
    if _CONTROL.search(text):
        raise SealError(field, "contains a line break or control character")
    return text


def _one_click_url(url: str) -> str:
    if len(url) > MAX_URL_CHARACTERS or not _URL.fullmatch(url):
        raise SealError(
            "unsubscribe_url",
            f"must be a URL of at most {MAX_URL_CHARACTERS} ASCII characters without spaces,"
            " quotes and angle brackets",
        )
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not secure or not parts.hostname:
        raise SealError("unsubscribe_url", "must begin with https:// (RFC 8058)")
    return url


def _tag(name: str, value: str) -> EmailTag:
    if not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
        raise SealError(
            "tags", "names and values have 1 to 256 characters out of A-Z a-z 0-9 _ and -"
        )
    return {"name": name, "value": value}
