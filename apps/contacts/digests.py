"""Digests of erased people's addresses: recognised when they come back, unreadable otherwise."""

from __future__ import annotations

import hmac
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from apps.contacts.models import Suppression, SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# First halves of pairs that name locks of the database: for merging and erasing, and for addresses.
_MERGES = 0x434D
_ADDRESSES = 0x4341
# Enough that people hardly wait for each other, few enough to be locked all at once.
_ADDRESS_LOCKS = 64


def newest_version() -> int:
    return max(settings.ERASURE_KEYS)


def digest(address: str, *, version: int) -> bytes:
    """HMAC-SHA256 of a look-up address under one version of ERASURE_KEYS; 32 bytes."""
    return bytes.fromhex(_hex_digest(_keyed(settings.ERASURE_KEYS[version]), address))


def addresses_by_digest(addresses: Iterable[str]) -> dict[str, str]:
    """Digest, in hex, to address; under every version, as keys change and digests stay."""
    keyed = [_keyed(key) for key in settings.ERASURE_KEYS.values()]
    return {_hex_digest(one, address): address for address in addresses for one in keyed}


def any_erased() -> bool:
    return Suppression.objects.active().filter(reason=SuppressionReason.ERASED).exists()


def find_erased(addresses: Iterable[str]) -> set[str]:
    """Which of the look-up addresses belong to erased people; one query."""
    by_digest = addresses_by_digest(addresses)
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ERASED, {"digests": "\n".join(by_digest)})
        return {by_digest[found] for (found,) in cursor.fetchall()}


_FIND_ERASED = """
SELECT encode(address_digest, 'hex') FROM contacts_suppression
WHERE lifted_at IS NULL AND address_digest = ANY(
    ARRAY(SELECT decode(unnest(string_to_array(%(digests)s, E'\n')), 'hex'))
)
"""


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def _hex_digest(keyed: hmac.HMAC, address: str) -> str:
    # A copy of a keyed hash is half the work of setting the key up each time.
    fresh = keyed.copy()
    fresh.update(address.encode())
    return fresh.hexdigest()


def hold_off_erasing() -> None:
    """Until the transaction ends nobody is erased. Merges do not wait for each other here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, 0)", [_MERGES])


def wait_for_merges() -> None:
    """Goes on when nothing is being merged, and until the transaction ends nothing will be."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_MERGES])


def lock_addresses(addresses: Collection[str]) -> None:
    """Until the transaction ends these addresses neither join nor are erased elsewhere.

    Apart from the lock for merges, so that joining never waits for a merge of minutes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_ADDRESSES, [_ADDRESSES, _ADDRESS_LOCKS - 1, list(addresses)])


# In one order, or two who lock several could wait for each other, crosswise.
_LOCK_ADDRESSES = """
SELECT pg_advisory_xact_lock(%s, slot) FROM (
    SELECT DISTINCT hashtext(address) & %s AS slot FROM unnest(%s::text[]) AS given (address)
    ORDER BY slot
) slots
"""
