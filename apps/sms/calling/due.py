"""What of this room's sending is due, for the sweeper: index look-ups with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

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


def due_texts() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_CHUNKS)
        return [
            Due(TaskName.SEND_TEXTS, int(units), {"account_id": account_id})
            for account_id, units in cursor.fetchall()
        ]
