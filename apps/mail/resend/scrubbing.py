"""Texts of the provider's, made fit for logs and ledgers."""

from __future__ import annotations

import re

MESSAGE_LENGTH = 200
# The rest of a longer text is not looked at: the search below takes quadratic time.
_READ_LENGTH = 2_000

_EDGES = r"\s<>\"'`(),;:\[\]{}"
# Also with a wide sign, percent-encoded as in paths, and with a quoted local part.
_ADDRESS = re.compile(rf"""(?:"[^"]*"|[^{_EDGES}]+)?(?:@|\uff20|%40)[^{_EDGES}]*""", re.IGNORECASE)
_KEY = re.compile(r"\bre_[A-Za-z0-9_]{4,}")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def scrub(text: str) -> str:
    """One line without addresses and keys, at most 200 characters."""
    words = text[:_READ_LENGTH].split()
    if len(text) > _READ_LENGTH:
        words = words[:-1]  # half an address is no longer found to be one
    line = " ".join(words)
    return _KEY.sub("<key>", _ADDRESS.sub("<address>", line))[:MESSAGE_LENGTH]


def error_name(name: object) -> str:
    """The provider's name of an error, or `unnamed` where it is none."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "unnamed"
