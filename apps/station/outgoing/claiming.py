"""Claiming deliveries of one endpoint: a fence that rises, and a bound on how many are under way.

Whoever holds the newest fence owns the delivery until `due_at`; what is written later is written
`WHERE fence = …`, so that a worker that slept through its lease changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.queues.names import TaskName
from apps.queues.sweeping import Due
from apps.station.outgoing.models import WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from uuid import UUID

# To one endpoint at a time, by all workers together: a slow one holds one worker, never all.
MOST_UNDER_WAY = 8
# More make no difference to the sweeper: no queue has more places.
ENOUGH = 50


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery that the caller owns under `fence`; `attempts` includes the try to come."""

    month: date
    id: int
    endpoint_id: int
    fence: int
    attempts: int
    uid: UUID
    type: str
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """What to send, and where; the endpoint as it was when the deliveries were claimed."""

    endpoint: WebhookEndpoint
    deliveries: tuple[ClaimedDelivery, ...]


# A delivery that is `calling` past its lease belonged to a worker that was killed: it is sent
# again, under the same webhook id. MATERIALIZED, as a mere subquery may run once per row.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT month, id FROM station_webhookdelivery
     WHERE endpoint_id = %(endpoint)s AND state IN ('pending', 'calling')
       AND due_at <= statement_timestamp()
     ORDER BY due_at
     LIMIT greatest(0, %(most)s - (
           SELECT count(*) FROM station_webhookdelivery
            WHERE endpoint_id = %(endpoint)s AND state = 'calling'
              AND due_at > statement_timestamp()))
       FOR UPDATE SKIP LOCKED
)
UPDATE station_webhookdelivery delivery
   SET state = 'calling', fence = delivery.fence + 1, attempts = delivery.attempts + 1,
       due_at = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM due, station_webhookevent event
 WHERE delivery.month = due.month AND delivery.id = due.id
   AND event.month = delivery.month AND event.id = delivery.event_id
RETURNING delivery.month, delivery.id, delivery.endpoint_id, delivery.fence, delivery.attempts,
          event.uid, event.type, event.occurred_at, event.data::text
"""


def claim(*, endpoint_id: int, most: int = MOST_UNDER_WAY) -> Claim | None:
    """Takes up to `most` due deliveries, or None where nothing may be sent to the endpoint now.

    While an endpoint fails it gets one at a time. The endpoint's row is locked meanwhile, so that
    workers count what is under way one after the other.
    """
    with transaction.atomic():
        endpoint = _ready(endpoint_id)
        if endpoint is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute(
                _CLAIM,
                {
                    "endpoint": endpoint_id,
                    "most": 1 if endpoint.failures else most,
                    "lease": settings.WEBHOOK_LEASE_SECONDS,
                },
            )
            rows = cursor.fetchall()
    return Claim(endpoint, tuple(_claimed(row) for row in rows)) if rows else None


def _ready(endpoint_id: int) -> WebhookEndpoint | None:
    return (
        WebhookEndpoint.objects.enabled()
        .select_for_update(no_key=True)
        .filter(Q(held_until=None) | Q(held_until__lte=Now()), pk=endpoint_id)
        .first()
    )


def _claimed(row: tuple[Any, ...]) -> ClaimedDelivery:
    month, pk, endpoint_id, fence, attempts, uid, type_, occurred_at, data = row
    return ClaimedDelivery(
        month, pk, endpoint_id, fence, attempts, uid, type_, occurred_at, orjson.loads(data)
    )


# By chance, so that busy endpoints of low ids do not take every place.
_DUE = f"""
SELECT endpoint.id FROM station_webhookendpoint endpoint
 WHERE endpoint.disabled_at IS NULL
   AND (endpoint.held_until IS NULL OR endpoint.held_until <= statement_timestamp())
   AND EXISTS (SELECT 1 FROM station_webhookdelivery delivery
                WHERE delivery.endpoint_id = endpoint.id
                  AND delivery.state IN ('pending', 'calling')
                  AND delivery.due_at <= statement_timestamp())
 ORDER BY random() LIMIT {ENOUGH}
"""


def due_deliveries() -> Iterable[Due]:
    """For the sweeper: one wake-up an endpoint, for one worker sends as much as it may get."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.SEND_WEBHOOKS, 1, {"endpoint_id": row[0]}) for row in cursor.fetchall()
        ]
