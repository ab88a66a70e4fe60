"""Digests of erased people's addresses: recognised when they come back, unreadable otherwise."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from apps.contacts.models import Suppression, SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Names a lock of the database, shared by everything that makes contacts and held alone by erasing.
_LOCK = 0x436F6E74616374  # "Contact"


def newest_version() -> int:
    return max(settings.ERASURE_KEYS)


def digest(address: str, *, version: int) -> bytes:
    """HMAC-SHA256 of a look-up address under one version of ERASURE_KEYS; 32 bytes."""
    return hmac.digest(settings.ERASURE_KEYS[version], address.encode(), "sha256")


def digests_by_address(addresses: Iterable[str]) -> Iterator[tuple[bytes, str]]:
    """(digest, address) under every version, for whoever was erased before a key was changed."""
    for address in addresses:
        for version in settings.ERASURE_KEYS:
            yield digest(address, version=version), address


def any_erased() -> bool:
    return Suppression.objects.active().filter(reason=SuppressionReason.ERASED).exists()


def find_erased(addresses: Iterable[str]) -> set[str]:
    """Which of the look-up addresses belong to erased people; one query."""
    by_digest = dict(digests_by_address(addresses))
    found = (
        Suppression.objects.active()
        .filter(address_digest__in=list(by_digest))
        .values_list("address_digest", flat=True)
    )
    return {by_digest[bytes(one)] for one in found if one is not None}


def lock_against_erasure() -> None:
    """Until the transaction ends nobody is erased, so a person cannot slip in meanwhile.

    Those who hold this lock do not wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])


def lock_for_erasure() -> None:
    """Waits until nobody is making contacts, and keeps them waiting until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
