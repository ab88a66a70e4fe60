"""What of this room's sending is due, for the sweeper: index look-ups with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.queues.health.backlogs import COUNTED_AT_MOST, Backlog, ask_backlog
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

# More make no difference: no queue has more places.
ENOUGH = 50

# A chunk whose worker died is due whether or not its brand may send now.
_CHUNKS = f"""
SELECT coalesce(own.account_id, station.account_id), sum(due.waiting)
  FROM brands_brand brand
  LEFT JOIN sms_textconfig own ON own.brand_id = brand.id
  LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
  JOIN brands_provideraccount account ON account.id = coalesce(own.account_id, station.account_id)
 CROSS JOIN LATERAL (
       SELECT count(*) AS waiting FROM (
              SELECT 1 FROM sms_textchunk chunk
               WHERE chunk.brand_id = brand.id AND chunk.state <> 'done'
                 AND chunk.due_at <= statement_timestamp()
                 AND (chunk.state = 'working'
                      OR account.stopped_at IS NULL AND account.kind = 'lime'
                     AND NOT coalesce(own.dry_run, station.dry_run, false)
                     AND station.sending AND own.sending IS NOT FALSE)
               LIMIT {ENOUGH}) found
       ) due
 WHERE due.waiting > 0
 GROUP BY 1
"""

# The same chunks, counted for people.
_WAITING = f"""
SELECT count(*) FILTER (WHERE is_due), min(due_at) FILTER (WHERE is_due),
       count(*) FILTER (WHERE NOT is_due AND state = 'working')
  FROM (SELECT chunk.due_at, chunk.state, chunk.due_at <= statement_timestamp() AS is_due
          FROM sms_textchunk chunk
          LEFT JOIN sms_textconfig own ON own.brand_id = chunk.brand_id
          LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
          LEFT JOIN brands_provideraccount account
            ON account.id = coalesce(own.account_id, station.account_id)
         WHERE chunk.state <> 'done'
           AND (chunk.state = 'working'
                OR account.stopped_at IS NULL AND account.kind = 'lime'
               AND NOT coalesce(own.dry_run, station.dry_run, false)
               AND station.sending AND own.sending IS NOT FALSE)
         LIMIT {COUNTED_AT_MOST}) open
"""


def backlog() -> Backlog:
    """Chunks of up to 100 texts that wait, and those that a worker holds."""
    return ask_backlog(_WAITING)


def due_texts() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_CHUNKS)
        return [
            Due(TaskName.SEND_TEXTS, int(units), {"account_id": account_id})
            for account_id, units in cursor.fetchall()
        ]
