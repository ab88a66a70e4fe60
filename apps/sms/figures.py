"""Figures of texts by day and message, counted from the log every two minutes.

A day is counted anew as a whole, in one statement, so that a count that is killed or done twice
does no harm. What is counted are the days with chunks that are open or were done lately, and those
that `note_changed` names. Figures stay when the month of their day is archived.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.sms.models import SentText, TextFigure

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

log = structlog.get_logger(__name__)

# Several turns of the schedule: what a missed one left is made up for by the next.
LATELY_MINUTES = 15
# A text of an older day was counted long ago.
UNCOUNTED = timedelta(days=2)
_LOCK_KEY = 7_130_014  # one count at a time; the number means nothing

_DAYS = """
SELECT local_day FROM sms_textchunk WHERE state <> 'done'
UNION SELECT local_day FROM sms_textchunk
       WHERE done_at >= statement_timestamp() - make_interval(mins => %s)
UNION SELECT local_day FROM sms_textdaydue
ORDER BY local_day
"""
# Rows of the log go with their partition alone: where there are none, the month was archived.
_COUNT = """
WITH counted AS MATERIALIZED (
    SELECT brand_id, message_id, state, reason, count(*) AS number FROM sms_senttext
     WHERE local_day = %(day)s GROUP BY brand_id, message_id, state, reason
), gone AS (
    DELETE FROM sms_textfigure figure
     WHERE local_day = %(day)s AND EXISTS (SELECT FROM counted)
       AND NOT EXISTS (
           SELECT FROM counted WHERE counted.message_id = figure.message_id
              AND counted.state = figure.state AND counted.reason = figure.reason)
)
INSERT INTO sms_textfigure AS figure (local_day, brand_id, message_id, state, reason, number)
SELECT %(day)s, brand_id, message_id, state, reason, number FROM counted
ON CONFLICT (message_id, local_day, state, reason)
DO UPDATE SET number = excluded.number WHERE figure.number <> excluded.number
"""


def count_due() -> list[date]:
    """Counts the days whose texts may have changed; which ones. One at a time in all processes."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [LATELY_MINUTES])
        days: list[date] = [day for (day,) in cursor.fetchall()]
    counted = [day for day in days if _count(day)]
    if counted:
        log.info("texts_counted", days=len(counted))
    return counted


def note_changed(days: Collection[date]) -> None:
    """Texts of these days were changed otherwise than by working off a chunk."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Updated, not left alone: a count that is about to take the day then waits for us.
            "INSERT INTO sms_textdaydue (local_day) SELECT DISTINCT unnest(%s::date[])"
            " ON CONFLICT (local_day) DO UPDATE SET since = statement_timestamp()",
            [list(days)],
        )


def was_ever_reserved(*, message_id: int) -> bool:
    """Whether the log holds or held a text of the message: no index of the log knows messages."""
    if TextFigure.objects.filter(message=message_id).exists():
        return True
    uncounted = timezone.now().date() - UNCOUNTED
    return SentText.objects.filter(message=message_id, local_day__gte=uncounted).exists()


def _count(day: date) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK_KEY])
        if not cursor.fetchone()[0]:
            return False
        # Before the look at the log: whoever notes the day from now on is counted the next time.
        cursor.execute("DELETE FROM sms_textdaydue WHERE local_day = %s", [day])
        cursor.execute(_COUNT, {"day": day})
    return True
