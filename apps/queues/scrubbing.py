"""Texts made fit for logs, reports and dead letters: no addresses, no keys."""

from __future__ import annotations

import re
from typing import Any

# The rest of a longer text is not looked at: the search takes quadratic time in the worst case.
READ_LENGTH = 20_000

_EDGES = r"\s<>\"'`(),;:=\[\]{}\\|"
# Also with the sign percent-encoded, as in paths.
_ADDRESS = re.compile(
    rf"[^{_EDGES}@]{{1,64}}(?:@|%40)[^{_EDGES}@]{{1,255}}\.[^{_EDGES}@.]{{2,63}}", re.IGNORECASE
)
# Of Resend, of its webhooks, of this station's API, of any Authorization header.
_KEY = re.compile(
    r"\b(?:re_[A-Za-z0-9_]{8,}|whsec_[A-Za-z0-9+/=]{8,}|fs[A-Za-z0-9]{10}_[A-Za-z0-9]{20,})"
    r"|(?<=\bBearer )[A-Za-z0-9._~+/=-]{8,}"
)
ADDRESS = "<address>"
KEY = "<key>"


def scrub(text: str) -> str:
    """The text without e-mail addresses and keys, at most `READ_LENGTH` characters of it."""
    cut = text[:READ_LENGTH]
    if "@" in cut or "%40" in cut:
        cut = _ADDRESS.sub(ADDRESS, cut)
    return _KEY.sub(KEY, cut)


def scrub_deeply(value: Any) -> Any:
    """The same for every text within lists and mappings, their keys included."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {scrub_deeply(name): scrub_deeply(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_deeply(one) for one in value]
    return value
