"""Where the provider has something else than what is wished, and putting it right.

What is compared is what the last `sync_segments` saw. Wishes that wait or are under way are no
drift, and neither are contacts that were called about since it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection

from apps.newsletter.models import SegmentWish
from apps.newsletter.models.segments import WishState

if TYPE_CHECKING:
    from collections.abc import Collection

log = structlog.get_logger(__name__)

PAGE = 5_000

DRIFTED = """
    state IN ('idle', 'dead') AND version > 0 AND seen_segments IS NOT NULL
    AND (called_at IS NULL OR called_at < seen_at)
    AND seen_segments <> CASE WHEN target_segment IS NULL THEN '{}'::text[]
                              ELSE ARRAY[target_segment::text] END
"""


def count_drifted(*, brand_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM newsletter_segmentwish WHERE brand_id = %s AND {DRIFTED}",
            [brand_id],
        )
        return int(cursor.fetchone()[0])


def repair_drifted(*, brand_id: int) -> int:
    """All of the brand, page by page; returns how many will be worked."""
    repaired = 0
    while found := _drifted_page(brand_id):
        repaired += repair(contact_ids=found)
    return repaired


def repair(*, contact_ids: Collection[int]) -> int:
    """Has the contacts' wishes worked again, from a new list; returns how many.

    Those that wait or are under way already are left alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REPAIR, [list(contact_ids)])
        number = int(cursor.rowcount)
    log.info("segments_repaired", wishes=number)
    return number


def _drifted_page(brand_id: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id FROM newsletter_segmentwish WHERE brand_id = %s AND {DRIFTED}"
            f" ORDER BY contact_id LIMIT {PAGE}",
            [brand_id],
        )
        return [row[0] for row in cursor.fetchall()]


def open_wishes(*, brand_id: int) -> dict[str, int]:
    """How many of the brand's wishes are in each state, for display."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM newsletter_segmentwish WHERE brand_id = %s GROUP BY 1",
            [brand_id],
        )
        found = dict(cursor.fetchall())
    return {state: int(found.get(state, 0)) for state in WishState.values}


def drifted(*, brand_id: int, most: int) -> list[SegmentWish]:
    """The first of them by contact, for display."""
    return list(
        SegmentWish.objects.select_related("contact")
        .filter(brand_id=brand_id)
        .extra(where=[DRIFTED])  # noqa: S610 - a condition of ours, without parameters
        .order_by("contact")[:most]
    )


_REPAIR = """
UPDATE newsletter_segmentwish
   SET version = version + 1, state = 'waiting', waiting_since = statement_timestamp(),
       due_at = statement_timestamp(), attempts = 0, throttles = 0, failing_since = NULL,
       known_segments = NULL, known_at = NULL, seen_segments = NULL, mode = 'update'
 WHERE contact_id IN (SELECT contact_id FROM newsletter_segmentwish
                       WHERE contact_id = ANY(%s) AND state IN ('idle', 'dead')
                       ORDER BY contact_id FOR UPDATE)
"""
