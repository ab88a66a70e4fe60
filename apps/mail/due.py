"""What of this room's work is due, for the sweeper: index look-ups with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.reports.figures import FOLD_AFTER_SECONDS
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

# More than this many of one kind make no difference: no queue has more places.
ENOUGH = 50

_BATCHES = f"""
SELECT account.id,
       (SELECT count(*) FROM (
            SELECT 1 FROM mail_batch
             WHERE account_id = account.id AND state = 'calling'
               AND due_at <= statement_timestamp()
               AND mailing_id IS NOT NULL LIMIT {ENOUGH}) recovered)
     + CASE WHEN account.stopped_at IS NOT NULL THEN 0 ELSE
       (SELECT count(*) FROM (
            SELECT 1 FROM mail_mailing mailing
             CROSS JOIN LATERAL (SELECT 1 FROM mail_batch
                                  WHERE mailing_id = mailing.id AND state = 'planned'
                                    AND due_at <= statement_timestamp() LIMIT {ENOUGH}) planned
             WHERE mailing.account_id = account.id AND mailing.state = 'running'
               AND mailing.kind = 'bulk' LIMIT {ENOUGH}) due) END
  FROM brands_provideraccount account
"""

_SINGLES = f"""
SELECT account_id, count(*) FROM (
    (SELECT account_id FROM mail_batch
      WHERE mailing_id IS NULL AND state IN ('planned', 'calling')
        AND due_at <= statement_timestamp()
      LIMIT {ENOUGH})
    UNION ALL
    (SELECT mailing.account_id FROM mail_message message
       JOIN mail_mailing mailing ON mailing.id = message.mailing_id AND mailing.state = 'running'
       JOIN brands_provideraccount account ON account.id = mailing.account_id
        AND account.stopped_at IS NULL
      WHERE message.due_at <= statement_timestamp() LIMIT {ENOUGH})
) due GROUP BY account_id
"""

_CLOSABLE = """
SELECT EXISTS (
    SELECT 1 FROM mail_mailing mailing
     WHERE state = 'running' AND kind = 'bulk' AND audience_completed_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM mail_batch WHERE mailing_id = mailing.id
                        AND state IN ('planned', 'calling'))
) OR EXISTS (
    SELECT 1 FROM mail_mailing mailing
      JOIN mail_batch batch ON batch.mailing_id = mailing.id AND batch.state = 'planned'
     WHERE mailing.state = 'cancelled')
"""


def due_batches() -> Iterable[Due]:
    return _per_account(TaskName.SEND_BATCHES, _BATCHES)


def due_singles() -> Iterable[Due]:
    return _per_account(TaskName.SEND_SINGLES, _SINGLES)


def due_closings() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_CLOSABLE)
        return [Due(TaskName.CLOSE_MAILINGS, 1, {})] if cursor.fetchone()[0] else []


def due_events() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM mail_deliveryevent"
            f" WHERE applied_at IS NULL LIMIT {ENOUGH}) waiting"
        )
        waiting = int(cursor.fetchone()[0])
    return [Due(TaskName.APPLY_EVENTS, waiting, {})] if waiting else []


def due_figures() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT made_at < statement_timestamp() - make_interval(secs => %s)"
            "  FROM mail_figurechange ORDER BY id LIMIT 1",
            [FOLD_AFTER_SECONDS],
        )
        row = cursor.fetchone()
    return [Due(TaskName.FOLD_FIGURES, 1, {})] if row and row[0] else []


def _per_account(task: TaskName, query: str) -> list[Due]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [
            Due(task, units, {"account_id": account_id})
            for account_id, units in cursor.fetchall()
            if units
        ]
