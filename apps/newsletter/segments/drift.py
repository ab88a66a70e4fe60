"""Where the provider has something else than what is wished, and putting it right.

What is compared is what the last `sync_segments` saw. Wishes that wait or are under way are no
drift, and neither are contacts that were called about since it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from apps.newsletter.models import SegmentWish

log = structlog.get_logger(__name__)

PAGE = 5_000

_WISH = "newsletter_segmentwish"
DRIFTED = f"""
    {_WISH}.state IN ('idle', 'dead') AND {_WISH}.version > 0 AND {_WISH}.seen_segments IS NOT NULL
    AND ({_WISH}.called_at IS NULL OR {_WISH}.called_at < {_WISH}.seen_at)
    AND {_WISH}.seen_segments <> CASE WHEN {_WISH}.target_segment IS NULL THEN '{{}}'::text[]
                                      ELSE ARRAY[{_WISH}.target_segment::text] END
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


def only_drifted(wishes: QuerySet[SegmentWish]) -> QuerySet[SegmentWish]:
    """Those of the wishes where the last comparison saw something else."""
    return wishes.extra(where=[DRIFTED])  # noqa: S610 - a condition of ours, without parameters


_REPAIR = """
UPDATE newsletter_segmentwish
   SET version = version + 1, state = 'waiting', waiting_since = statement_timestamp(),
       due_at = statement_timestamp(), attempts = 0, throttles = 0, failing_since = NULL,
       known_segments = NULL, known_at = NULL, seen_segments = NULL, mode = 'update'
 WHERE contact_id IN (SELECT contact_id FROM newsletter_segmentwish
                       WHERE contact_id = ANY(%s) AND state IN ('idle', 'dead')
                       ORDER BY contact_id FOR UPDATE)
"""
