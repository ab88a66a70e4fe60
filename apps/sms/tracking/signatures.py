"""Signatures of webhooks that report events: HMAC-SHA256, as the station signs its own.

Headers `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`: one or several of
`v1,<base64>` over `{id}.{timestamp}.{raw body}` with the secret's bytes (after `whsec_`, where it
begins so, as base64).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
_ID = re.compile(r"[!-~]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def is_genuine(
    body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str], now: float
) -> bool:
    """Whether one of the `secrets` signed these very bytes, not long ago. Empty ones sign nothing.

    The signed id is the replay memory's business: an event is counted once, whoever repeats it.
    """
    told, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(told) or not _TIMESTAMP.fullmatch(at):
        return False
    if abs(now - int(at)) > TOLERANCE_SECONDS:
        return False
    signed = f"{told}.{at}.".encode() + body
    given = list(_given(headers.get("webhook-signature", "")))
    expected = [hmac.digest(key, signed, "sha256") for key in map(_key, secrets) if key]
    return any(hmac.compare_digest(one, other) for one in expected for other in given)


def _given(header: str) -> Iterator[bytes]:
    for one in header.split(" ")[:10]:
        version, _, encoded = one.partition(",")
        if version == "v1":
            yield _decoded(encoded)


def _key(secret: str) -> bytes:
    return _decoded(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
