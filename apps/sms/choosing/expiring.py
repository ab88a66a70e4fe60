"""Reservations whose hours ended and which nobody came for: a paused brand's, a stopped account's.

Whoever claims a chunk sees to its expired texts; this is for chunks that nobody claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.sms.choosing.allowing import Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.backends.utils import CursorWrapper

# 20,000 texts a minute: a run that tidies up still has time to choose.
MOST_CHUNKS = 200

# No hours last longer than a day, so that a younger chunk need not be opened to look.
_EXPIRE = f"""
WITH old AS MATERIALIZED (
    SELECT id, local_day FROM sms_textchunk
     WHERE brand_id = %(brand)s AND state = 'waiting' AND due_at <= %(at)s
       AND created_at < %(at)s - interval '24 hours'
     ORDER BY id LIMIT {MOST_CHUNKS} FOR UPDATE SKIP LOCKED
), gone AS (
    UPDATE sms_senttext text
       SET state = 'expired', reason = '{Refusal.OUTSIDE_HOURS}', settled_at = %(at)s
      FROM old
     WHERE text.chunk_id = old.id AND text.local_day = old.local_day
       AND text.state = 'reserved' AND text.until_at <= %(at)s
), done AS (
    UPDATE sms_textchunk chunk SET state = 'done', done_at = %(at)s
      FROM old
     WHERE chunk.id = old.id AND NOT EXISTS (
           SELECT 1 FROM sms_senttext text
            WHERE text.chunk_id = old.id AND text.local_day = old.local_day
              AND (text.state = 'calling' OR text.state = 'reserved' AND text.until_at > %(at)s))
)
SELECT count(*) FROM old
"""


def expire(cursor: CursorWrapper, *, brand_id: int, at: datetime) -> int:
    """Ends what is left of the brand's old chunks; returns how many were looked at."""
    cursor.execute(_EXPIRE, {"brand": brand_id, "at": at})
    return int(cursor.fetchone()[0])
