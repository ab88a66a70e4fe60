"""The link of a double opt-in: signed with the keys of all links, and good for some days.

The token holds the contact and when they asked; what they asked for is kept in `OptIn`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

from apps.mail.links import InvalidLinkError

_FIELDS = struct.Struct(">BQI")  # key version, contact, seconds since 1970
_SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class ConfirmTarget:
    contact_id: int
    asked_at: datetime

    @property
    def has_expired(self) -> bool:
        return datetime.now(tz=UTC) > self.asked_at + timedelta(days=settings.CONFIRM_LINK_DAYS)


def make_token(target: ConfirmTarget) -> str:
    version = max(settings.LINK_KEYS)
    fields = _FIELDS.pack(version, target.contact_id, int(target.asked_at.timestamp()))
    return base64.urlsafe_b64encode(fields + _sign(fields, version)).decode().rstrip("=")


def read_token(token: str) -> ConfirmTarget:
    """Raises `InvalidLinkError` for anything that `make_token` did not make; tells no expiry."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise InvalidLinkError from None
    fields, signature = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if len(fields) != _FIELDS.size:
        raise InvalidLinkError
    version, contact_id, seconds = _FIELDS.unpack(fields)
    if version not in settings.LINK_KEYS or not hmac.compare_digest(
        signature, _sign(fields, version)
    ):
        raise InvalidLinkError
    return ConfirmTarget(contact_id, datetime.fromtimestamp(seconds, tz=UTC))


def confirm_url(target: ConfirmTarget) -> str:
    return f"{settings.PUBLIC_BASE_URL}/confirm/{make_token(target)}/"


def _sign(fields: bytes, version: int) -> bytes:
    key = settings.LINK_KEYS[version]
    return hmac.new(key, b"confirm" + fields, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
