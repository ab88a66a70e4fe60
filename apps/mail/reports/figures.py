"""Daily figures: what happened to how many messages, kept while it happens (docs/adr/0013).

A trigger on messages writes down by how much each statement changes a figure, in the statement's
own transaction; `fold_changes` adds such changes to the daily rows and deletes them, all or
nothing. Whatever is killed, a change is either still waiting or already in a daily row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.mail.models import DailyFigure
from apps.mail.reports.models import FigureKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

log = structlog.get_logger(__name__)

# A page takes some 20 ms. A campaign to a million leaves some 20,000 changes.
FOLD_PAGE = 5_000
# Folding each change as it comes would only make the table of changes grow dead rows.
FOLD_AFTER_SECONDS = 3
# Whoever folds or counts anew holds this lock; the number means nothing.
_LOCK_KEY = 7_130_013

_FOLD = """
WITH taken AS (
    DELETE FROM mail_figurechange
     WHERE id IN (SELECT id FROM mail_figurechange ORDER BY id LIMIT %s)
    RETURNING mailing_id, day, kind, reason, number
), folded AS (
    INSERT INTO mail_dailyfigure AS figure (brand_id, mailing_id, day, kind, reason, number)
    SELECT mailing.brand_id, taken.mailing_id, taken.day, taken.kind, taken.reason,
           sum(taken.number)
      FROM taken JOIN mail_mailing mailing ON mailing.id = taken.mailing_id
     GROUP BY 1, 2, 3, 4, 5 HAVING sum(taken.number) <> 0
    ON CONFLICT (mailing_id, day, kind, reason)
    DO UPDATE SET number = figure.number + excluded.number
)
SELECT count(*) FROM taken
"""


def fold_changes() -> int:
    """Adds the waiting changes to the daily figures, page by page; returns how many there were.

    Somebody else who is at it already is left alone (0).
    """
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK_KEY])
            if not cursor.fetchone()[0]:
                return total
            cursor.execute(_FOLD, [FOLD_PAGE])
            taken = int(cursor.fetchone()[0])
        total += taken
        if taken < FOLD_PAGE:
            return total


# The same expressions as in the trigger (migration 0007); a test compares what the two come to.
_COUNTED = """
    SELECT (figure.at AT TIME ZONE 'UTC')::date AS day, figure.kind, figure.reason,
           count(*) AS number
      FROM mail_message message
     CROSS JOIN LATERAL (VALUES
           (CASE WHEN message.batch_id IS NULL AND message.state = 'skipped' THEN NULL
                 ELSE message.settled_at END,
            message.state::text,
            CASE WHEN message.state = 'sent' THEN '' ELSE message.reason END),
           (CASE WHEN message.delivery >= 30 THEN message.delivery_at END,
            CASE message.delivery WHEN 35 THEN 'undelivered' WHEN 40 THEN 'bounced'
                                  ELSE 'delivered' END, ''),
           (CASE WHEN message.delivery = 50 THEN message.delivery_at END, 'complained', ''),
           (message.opened_at, 'opened', ''),
           (message.clicked_at, 'clicked', ''),
           (message.machine_opened_at, 'auto_opened', ''),
           (message.machine_clicked_at, 'auto_clicked', '')
           ) AS figure (at, kind, reason)
     WHERE message.month = %(month)s AND message.mailing_id = %(mailing)s AND figure.at IS NOT NULL
     GROUP BY 1, 2, 3
"""
# One statement, and so one look at the messages and at the changes that tell of them.
_COUNT_ANEW = f"""
WITH gone AS (
    DELETE FROM mail_figurechange WHERE mailing_id = %(mailing)s
), counted AS ({_COUNTED}
     UNION ALL
    SELECT day, kind, reason, 0 FROM mail_dailyfigure WHERE mailing_id = %(mailing)s
)
INSERT INTO mail_dailyfigure (brand_id, mailing_id, day, kind, reason, number)
SELECT %(brand)s, %(mailing)s, day, kind, reason, sum(number) FROM counted GROUP BY 2, 3, 4, 5
ON CONFLICT (mailing_id, day, kind, reason) DO UPDATE SET number = excluded.number
"""


def count_anew(*, mailing_id: int) -> None:
    """Replaces the figures of a mailing by what its messages say: seconds for a million.

    For mailings from before figures were kept. Sending may go on meanwhile. The figures of
    messages whose retention has passed would be lost: such a mailing is left as it is.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])
        cursor.execute(
            "SELECT brand_id, month, to_regclass('mail_message_' || to_char(month, 'YYYY_MM'))"
            " IS NOT NULL FROM mail_mailing WHERE id = %s",
            [mailing_id],
        )
        row = cursor.fetchone()
        if row is None or not row[2]:
            return
        cursor.execute(_COUNT_ANEW, {"mailing": mailing_id, "brand": row[0], "month": row[1]})
    log.info("figures_counted_anew", mailing=mailing_id)


@dataclass(frozen=True)
class DayFigures:
    """One UTC day: number of messages by kind; a kind that did not happen is 0."""

    day: date
    numbers: Mapping[str, int] = field(default_factory=Counter)

    def __getitem__(self, kind: str) -> int:
        return self.numbers.get(kind, 0)


_DAILY = """
SELECT figure.day, figure.kind, sum(figure.number)
  FROM mail_dailyfigure figure
  JOIN mail_mailing mailing ON mailing.id = figure.mailing_id AND NOT mailing.is_specimen
 WHERE figure.brand_id = ANY(%s) AND figure.day > %s AND figure.day <= %s
 GROUP BY figure.day, figure.kind
"""


def daily(
    brand_ids: Collection[int], *, days: int = 30, until: date | None = None
) -> list[DayFigures]:
    """The last `days` days of the brands together, oldest first, empty days too; one query.

    Without mails that were sent only to be looked at.
    """
    last = until or datetime.now(tz=UTC).date()
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        cursor.execute(_DAILY, [list(brand_ids), last - timedelta(days=days), last])
        for day, kind, number in cursor.fetchall():
            by_day[day][kind] = int(number)
    return [DayFigures(day, by_day[day]) for day in _days(last, days)]


def _days(last: date, days: int) -> Iterator[date]:
    for age in range(days - 1, -1, -1):
        yield last - timedelta(days=age)


def of_mailings(mailing_ids: Collection[int]) -> dict[int, Counter[str]]:
    """Numbers by kind of each mailing, over all days; one query. Some seconds behind."""
    found: dict[int, Counter[str]] = {mailing_id: Counter() for mailing_id in mailing_ids}
    rows = DailyFigure.objects.filter(mailing_id__in=mailing_ids)
    for mailing_id, kind, number in rows.values_list("mailing_id", "kind", "number"):
        found[mailing_id][kind] += number
    return found


__all__ = [
    "DayFigures",
    "FigureKind",
    "count_anew",
    "daily",
    "fold_changes",
    "of_mailings",
]
