"""Digests of erased people's numbers: recognised when they come back, unreadable otherwise."""

from __future__ import annotations

import hmac
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from apps.sms.models import PhoneSuppression

if TYPE_CHECKING:
    from collections.abc import Iterable

# First half of pairs that name locks of the database: adding numbers, and erasing people.
_NUMBERS = 0x534E


def newest_version() -> int:
    return max(settings.ERASURE_KEYS)


def digest(phone: str, *, version: int) -> bytes:
    """HMAC-SHA256 of a number in E.164 under one version of ERASURE_KEYS; 32 bytes."""
    fresh = _keyed(settings.ERASURE_KEYS[version]).copy()
    fresh.update(b"phone:" + phone.encode())
    return fresh.digest()


def digests_of(phone: str) -> list[bytes]:
    """Under every version, as keys change and digests stay."""
    return [digest(phone, version=version) for version in settings.ERASURE_KEYS]


def any_erased() -> bool:
    """Whether there is anybody to look for: else no digest need be made."""
    return PhoneSuppression.objects.filter(reason="erased", lifted_at=None).exists()


def find_erased(phones: Iterable[str]) -> set[str]:
    """Which of the numbers belong to erased people; two queries at most, 3 µs a number."""
    if not any_erased():
        return set()
    by_digest = {one: phone for phone in phones for one in digests_of(phone)}
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ERASED, [list(by_digest)])
        return {by_digest[bytes(found)] for (found,) in cursor.fetchall()}


_FIND_ERASED = """
SELECT phone_digest FROM sms_phonesuppression
WHERE lifted_at IS NULL AND phone_digest = ANY(%s::bytea[])
"""


def hold_off_erasing() -> None:
    """Until the transaction ends nobody is erased; those who add numbers do not wait for others."""
    _lock("pg_advisory_xact_lock_shared")


def wait_for_additions() -> None:
    """Goes on when no numbers are being added, and until the transaction ends none will be."""
    _lock("pg_advisory_xact_lock")


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, 0)", [_NUMBERS])


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")
