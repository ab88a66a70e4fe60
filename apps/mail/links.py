"""Links that only we can make: who may leave, or choose, without logging in.

A token names the message it travelled in (partition month, mailing, message, contact) and is
signed with a key of its own, apart from SECRET_KEY. It does not expire: mail is read for years.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

_FIELDS = struct.Struct(">BQQQ")  # key version, contact, mailing, message
_SIGNATURE_BYTES = 16


class InvalidLinkError(Exception):
    """The token is not one of ours, or was cut. Show a page that says how to leave by hand."""


class Purpose(StrEnum):
    """What a link is for. One for leaving, which every mail client sees, opens nothing else."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"


@dataclass(frozen=True)
class LinkTarget:
    contact_id: int
    mailing_id: int
    message_id: int


def make_token(target: LinkTarget, purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
    version = max(settings.LINK_KEYS)
    fields = _FIELDS.pack(version, target.contact_id, target.mailing_id, target.message_id)
    return base64.urlsafe_b64encode(fields + _sign(fields, version, purpose)).decode().rstrip("=")


def read_token(token: str, purpose: Purpose = Purpose.UNSUBSCRIBE) -> LinkTarget:
    """Raises `InvalidLinkError` for anything that `make_token` did not make."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise InvalidLinkError from None
    fields, signature = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if len(fields) != _FIELDS.size:
        raise InvalidLinkError
    version, contact_id, mailing_id, message_id = _FIELDS.unpack(fields)
    if version not in settings.LINK_KEYS or not hmac.compare_digest(
        signature, _sign(fields, version, purpose)
    ):
        raise InvalidLinkError
    return LinkTarget(contact_id=contact_id, mailing_id=mailing_id, message_id=message_id)


def unsubscribe_url(target: LinkTarget) -> str:
    return f"{settings.PUBLIC_BASE_URL}/unsubscribe/{make_token(target)}/"


def preferences_url(target: LinkTarget) -> str:
    return f"{settings.PUBLIC_BASE_URL}/preferences/{make_token(target, Purpose.PREFERENCES)}/"


def _sign(fields: bytes, version: int, purpose: Purpose) -> bytes:
    key = settings.LINK_KEYS[version]
    return hmac.new(key, purpose.encode() + fields, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
