"""Keeping addresses from being mailed, and letting them be mailed again.

Addresses are look-up addresses (see `addresses.normalise`). Everything here can be repeated
without effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models import Q

from apps.contacts import digests
from apps.contacts.errors import NotLiftableError
from apps.contacts.models import Contact, Suppression, SuppressionOrigin, SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from apps.contacts.models import SuppressionQuerySet

log = structlog.get_logger(__name__)

_FOR_ALL_BRANDS = {SuppressionReason.HARD_BOUNCE, SuppressionReason.ERASED}

NOTE_LIMIT = 200
# Why an operator does not lift it. A hard bounce ends when a person clears it, a block by hand as
# it began; the other two are the person's own word.
STAYS = {
    SuppressionReason.COMPLAINT: "A complaint stays: the person reported a mail as spam.",
    SuppressionReason.ERASED: "An erasure stays: the person had all traces removed.",
}


def suppress(  # noqa: PLR0913 - the facts of a suppression, each by its name
    *,
    address: str,
    reason: SuppressionReason,
    origin: SuppressionOrigin,
    now: datetime,
    brand_id: int | None = None,
    detail: str = "",
) -> bool:
    """Whether the address was not suppressed for this reason before."""
    return bool(
        suppress_many(
            addresses=[address],
            reason=reason,
            origin=origin,
            now=now,
            brand_id=brand_id,
            detail=detail,
        )
    )


def suppress_many(  # noqa: PLR0913 - as above
    *,
    addresses: Collection[str],
    reason: SuppressionReason,
    origin: SuppressionOrigin,
    now: datetime,
    brand_id: int | None = None,
    detail: str = "",
) -> int:
    """One statement for any number of addresses; returns how many are newly suppressed.

    Hard bounces and erasures hold for all brands, whatever `brand_id` says; a complaint needs its
    brand (ValueError); a block by hand holds for the brand, or without one for all.
    """
    if reason == SuppressionReason.COMPLAINT and brand_id is None:
        raise ValueError("A complaint is about one brand: give brand_id.")
    if reason == SuppressionReason.ERASED:
        added = _erase(addresses, origin=origin, now=now)
    else:
        scope = None if reason in _FOR_ALL_BRANDS else brand_id
        facts = {"reason": reason, "origin": origin, "detail": detail, "brand": scope, "now": now}
        added = _add(addresses, facts)
    log.info("addresses_suppressed", reason=reason, origin=origin, brand_id=brand_id, added=added)
    return added


def lift(
    *,
    address: str,
    reason: SuppressionReason,
    lifted_by: str,
    now: datetime,
    brand_id: int | None = None,
) -> bool:
    """Ends one suppression and keeps it as history; whether there was one to end.

    Without `brand_id` it is the one that holds for all brands. `lifted_by` names the person. For
    whoever has the station's shell: it lifts every reason.
    """
    held = Suppression.objects.active().filter(reason=reason, brand=brand_id)
    with transaction.atomic():
        lifted = held.filter(_stands_for(address)).update(lifted_at=now, lifted_by=lifted_by)
        if lifted and reason == SuppressionReason.ERASED:
            Contact.objects.with_addresses([address]).update(erased_at=None, updated_at=now)
    log.info("suppression_lifted", reason=reason, brand_id=brand_id, lifted=lifted)
    return bool(lifted)


def lift_by_operator(*, suppression_id: int, lifted_by: str, note: str, now: datetime) -> bool:
    """Ends one suppression, where its reason lets an operator; whether it still held.

    Raises NotLiftableError, also without a note.
    """
    if not note.strip() or len(note) > NOTE_LIMIT:
        raise NotLiftableError(
            f"Say in a note why mail may go there again, in at most {NOTE_LIMIT} characters."
        )
    held = Suppression.objects.get(pk=suppression_id)
    if held.reason in STAYS:
        raise NotLiftableError(STAYS[SuppressionReason(held.reason)])
    lifted = (
        Suppression.objects.active()
        .filter(pk=suppression_id)
        .update(lifted_at=now, lifted_by=lifted_by, lift_note=note.strip())
    )
    log.info("suppression_lifted", reason=held.reason, brand_id=held.brand_id, lifted=lifted)
    return bool(lifted)


def history(address: str) -> list[Suppression]:
    """All suppressions the address ever had, newest first, an erased person's included."""
    return list(find(address).select_related("brand").order_by("-created_at", "-pk"))


def find(address: str) -> SuppressionQuerySet:
    """What `history` tells, as a query."""
    return Suppression.objects.of_address(address, _digests(address))


def _stands_for(address: str) -> Q:
    return Q(address=address) | Q(address_digest__in=_digests(address))


def _digests(address: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in digests.addresses_by_digest([address])]


def _add(addresses: Collection[str], facts: Mapping[str, str | int | datetime | None]) -> int:
    with connection.cursor() as cursor:
        # In one order everywhere, or two bulk runs could wait for each other, crosswise.
        cursor.execute(_ADD, {"addresses": sorted(set(addresses)), **facts})
        return int(cursor.rowcount)


def _erase(addresses: Collection[str], *, origin: SuppressionOrigin, now: datetime) -> int:
    """Leaves digests; marks the contacts, so that whoever selects by SQL sees it too."""
    version = digests.newest_version()
    known = sorted(digests.find_erased(addresses))
    fresh = sorted(set(addresses) - set(known))
    with transaction.atomic(), connection.cursor() as cursor:
        digests.lock_addresses(addresses)
        digests.wait_for_merges()
        cursor.execute(
            _ERASE,
            {
                "addresses": sorted(set(addresses)),
                "digests": [digests.digest(one, version=version) for one in fresh],
                "version": version,
                "reason": SuppressionReason.ERASED,
                "origin": origin,
                "now": now,
            },
        )
        return int(cursor.fetchone()[0])


_ADD = """
INSERT INTO contacts_suppression (address, brand_id, reason, origin, detail, created_at)
SELECT address, %(brand)s, %(reason)s, %(origin)s, %(detail)s, %(now)s
FROM unnest(%(addresses)s::text[]) AS given (address)
ON CONFLICT DO NOTHING
"""

_ERASE = """
WITH added AS (
    INSERT INTO contacts_suppression
        (address_digest, digest_version, reason, origin, created_at)
    SELECT digest, %(version)s, %(reason)s, %(origin)s, %(now)s
    FROM unnest(%(digests)s::bytea[]) AS given (digest)
    ON CONFLICT DO NOTHING
    RETURNING id
), marked AS (
    UPDATE contacts_contact SET erased_at = %(now)s, updated_at = %(now)s
    WHERE address = ANY(%(addresses)s) AND erased_at IS NULL
), forgotten AS (
    DELETE FROM contacts_suppression WHERE address = ANY(%(addresses)s)
)
SELECT count(*) FROM added
"""
