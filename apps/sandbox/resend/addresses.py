"""Addresses as the provider reads them: `email@example.com` or `Name <email@example.com>`."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_CHARACTERS = 254
MAX_LOCAL_CHARACTERS = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>(?:{_LABEL}\.)+{_LABEL})")
_NAMED = re.compile(r"[^<>\r\n]*<(?P<address>[^<>]*)>")


def bare(given: str) -> str | None:
    """The address without a display name; None where it is none.

    ASCII only: an internationalised domain has to come as punycode.
    """
    address = given
    if given.endswith(">") and (named := _NAMED.fullmatch(given)):
        address = named["address"]
    if len(address) > MAX_CHARACTERS:
        return None
    found = _ADDRESS.fullmatch(address)
    return address if found and len(found["local"]) <= MAX_LOCAL_CHARACTERS else None


bare_sender = lru_cache(maxsize=1024)(bare)
"""The same for senders, of whom there are few."""


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def as_list(given: object) -> list[object]:
    """Fields that take one address or several, as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, list) else [given]
