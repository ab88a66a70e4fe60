"""Svix signatures, on the raw bytes and before any parser sees them.

The SDK's `Webhooks.verify` takes text and parses it in the same step; a body that is no UTF-8 or
no JSON could not be told from a forged one. The scheme is the same, and a test compares verdicts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.mail.events.errors import (
    InvalidSignatureError,
    MissingSignatureError,
    StaleTimestampError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TOLERANCE_SECONDS = 300
EVENT_ID_LIMIT = 128
VERSION = "v1"
_EVENT_ID = re.compile(rf"[!-~]{{1,{EVENT_ID_LIMIT}}}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class SvixHeaders:
    """What the provider sends beside the body.

    `event_id` is the same in every delivery of an event; `timestamp` is that of the delivery, in
    Unix seconds. `signature` holds one or several, separated by spaces.
    """

    event_id: str
    timestamp: str
    signature: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> SvixHeaders:
        """Raises `MissingSignatureError`."""
        found = cls(
            event_id=headers.get("svix-id", ""),
            timestamp=headers.get("svix-timestamp", ""),
            signature=headers.get("svix-signature", ""),
        )
        if not (found.event_id and found.timestamp and found.signature):
            raise MissingSignatureError(
                "The headers svix-id, svix-timestamp and svix-signature are all needed."
            )
        return found


def verify(body: bytes, headers: SvixHeaders, *, secrets: Iterable[str], now: float) -> None:
    """Returns where one of the `secrets` (`whsec_…`) signed these very bytes within the tolerance.

    Empty and unreadable secrets verify nothing. Raises `InvalidSignatureError`, or
    `StaleTimestampError` to a caller who has proved to know the secret.
    """
    if not _EVENT_ID.fullmatch(headers.event_id) or not _TIMESTAMP.fullmatch(headers.timestamp):
        raise InvalidSignatureError("The signature does not fit.")
    signed = f"{headers.event_id}.{headers.timestamp}.".encode() + body
    given = list(_given(headers.signature))
    expected = [hmac.digest(key, signed, "sha256") for key in _keys(secrets)]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise InvalidSignatureError("The signature does not fit.")
    if abs(now - int(headers.timestamp)) > TOLERANCE_SECONDS:
        raise StaleTimestampError(
            f"svix-timestamp is more than {TOLERANCE_SECONDS} s away from this server's clock."
        )


def _keys(secrets: Iterable[str]) -> Iterator[bytes]:
    """An empty key would let everybody sign, so it is none."""
    for secret in secrets:
        key = _decoded(secret.removeprefix("whsec_"))
        if key:
            yield key


def _given(signature: str) -> Iterator[bytes]:
    for one in signature.split(" "):
        version, _, encoded = one.partition(",")
        if version == VERSION:
            yield _decoded(encoded)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
