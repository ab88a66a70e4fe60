"""Opting out, at once and for good: only the person's own new word brings them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Collection

    from apps.sms.zones import Place

log = structlog.get_logger(__name__)

LEFT_LIST = "left list "
"""How the source of a subscription begins that the sync of a list has ended."""


@dataclass(frozen=True, slots=True)
class Left:
    """`changed` is False where the number had left before."""

    subscriber_id: int
    changed: bool


@transaction.atomic
def opt_out_everywhere(*, subscriber_ids: Collection[int], source: str) -> int:
    """No text of any brand any more; returns how many rows changed, 0 where all had left."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE, {"ids": list(subscriber_ids)})
        left = int(cursor.rowcount)
        cursor.execute(_LEAVE_BRANDS, {"ids": list(subscriber_ids), "source": source})
        left += int(cursor.rowcount)
    log.info("texts_stopped", subscribers=len(subscriber_ids), left=left, source=source)
    return left


@transaction.atomic
def opt_out_number(*, place: Place, brand_ids: Collection[int] | None, source: str) -> Left:
    """The number leaves the brands, or None: all of them.

    A number that nobody knew is kept as one that left, or the next import would text it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _KNOW, {"phone": place.phone, "timezone": place.timezone, "state": place.state}
        )
        cursor.execute("SELECT id FROM sms_subscriber WHERE phone = %s FOR UPDATE", [place.phone])
        subscriber_id: int = cursor.fetchone()[0]
        if brand_ids is None:
            changed = opt_out_everywhere(subscriber_ids=[subscriber_id], source=source)
        else:
            cursor.execute(
                _LEAVE_SOME,
                {"id": subscriber_id, "brands": sorted(brand_ids), "source": source},
            )
            changed = int(cursor.rowcount)
    return Left(subscriber_id, changed=changed > 0)


# Whoever a list's sync took out may be brought back by the next one; after their own word not.
_MAY_COME_BACK = f"(sms_subscription.active OR starts_with(sms_subscription.source, '{LEFT_LIST}'))"

_KNOW = """
INSERT INTO sms_subscriber (phone, timezone, state, zone_source)
VALUES (%(phone)s, %(timezone)s, %(state)s, CASE WHEN %(timezone)s = '' THEN '' ELSE 'number' END)
ON CONFLICT (phone) DO NOTHING
"""

_LEAVE = """
UPDATE sms_subscriber SET status = 'OPTOUT', opted_out_at = statement_timestamp(),
    updated_at = statement_timestamp()
WHERE id = ANY(%(ids)s) AND status <> 'OPTOUT'
"""

_LEAVE_BRANDS = f"""
UPDATE sms_subscription
SET active = false, opted_out_at = statement_timestamp(), source = %(source)s,
    updated_at = statement_timestamp()
WHERE subscriber_id = ANY(%(ids)s) AND {_MAY_COME_BACK}
"""

_LEAVE_SOME = f"""
INSERT INTO sms_subscription (brand_id, subscriber_id, active, opted_out_at, source)
SELECT brand_id, %(id)s, false, statement_timestamp(), %(source)s
FROM unnest(%(brands)s::bigint[]) AS b (brand_id)
ON CONFLICT (brand_id, subscriber_id) DO UPDATE SET
    active = false, opted_out_at = statement_timestamp(), source = excluded.source,
    updated_at = statement_timestamp()
WHERE {_MAY_COME_BACK}
"""
