"""Sending again by hand: one delivery, all that failed, or a try-out.

A repetition has the webhook id of the first try, so that a receiver which had it after all can
tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.station.outgoing.errors import DeliveryStateError, EndpointStateError
from apps.station.outgoing.event_types import PING
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint
from apps.station.outgoing.recording import wake

if TYPE_CHECKING:
    from datetime import datetime

log = structlog.get_logger(__name__)

PAGE = 5_000

_AGAIN = """
UPDATE station_webhookdelivery
   SET state = 'pending', settled_at = NULL, attempts = 0, due_at = statement_timestamp()
 WHERE month = %s AND id = %s AND state <> 'calling'
"""

_FAILED_AGAIN = f"""
WITH failed AS MATERIALIZED (
    SELECT month, id FROM station_webhookdelivery
     WHERE endpoint_id = %(endpoint)s AND state = 'failed' AND created_at >= %(since)s
       AND id > %(after)s
     ORDER BY id LIMIT {PAGE} FOR UPDATE
), again AS (
    UPDATE station_webhookdelivery delivery
       SET state = 'pending', settled_at = NULL, attempts = 0, due_at = statement_timestamp()
      FROM failed WHERE delivery.month = failed.month AND delivery.id = failed.id
)
SELECT count(*), coalesce(max(id), 0) FROM failed
"""

_PING = """
WITH event AS (
    INSERT INTO station_webhookevent (month, brand_id, type, key, occurred_at, data)
    SELECT date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC')::date, brand_id,
           %(type)s, 'ping:' || gen_random_uuid(), statement_timestamp(),
           jsonb_build_object('endpoint_id', id, 'by', %(actor)s::text)
      FROM station_webhookendpoint WHERE id = %(endpoint)s
    RETURNING id, month, brand_id, type
)
INSERT INTO station_webhookdelivery (month, event_id, endpoint_id, brand_id, type, due_at)
SELECT month, id, %(endpoint)s, brand_id, type, statement_timestamp() FROM event
RETURNING id
"""


def redeliver(*, delivery_id: int, actor: str) -> None:
    """Sends one again at once, with all its tries before it, whatever became of it.

    Raises `DeliveryStateError` while it is being sent, and `EndpointStateError` where its endpoint
    is disabled or removed.
    """
    delivery = WebhookDelivery.objects.get(pk=delivery_id)
    with transaction.atomic():
        _require_enabled(delivery.endpoint_id)
        with connection.cursor() as cursor:
            cursor.execute(_AGAIN, [delivery.month, delivery_id])
            if not cursor.rowcount:
                raise DeliveryStateError("The delivery is being sent just now; look again soon.")
        wake([delivery.endpoint_id])
    log.info("webhook_redelivered", delivery=delivery_id, by=actor)


def redeliver_failed(*, endpoint_id: int, since: datetime, actor: str) -> int:
    """Sends all again that were recorded since then and failed; returns how many.

    Raises `EndpointStateError` where the endpoint is disabled or removed.
    """
    total, after = 0, 0
    while True:
        with transaction.atomic():
            _require_enabled(endpoint_id)
            with connection.cursor() as cursor:
                cursor.execute(
                    _FAILED_AGAIN, {"endpoint": endpoint_id, "since": since, "after": after}
                )
                number, last = map(int, cursor.fetchone())
            if number:
                wake([endpoint_id])
        total += number
        after = last
        if number < PAGE:
            break
    log.info("webhooks_redelivered", endpoint=endpoint_id, number=total, by=actor)
    return total


def ping(*, endpoint_id: int, actor: str) -> int:
    """Sends a webhook of the type `ping` to this endpoint alone; returns the delivery's id.

    Raises `EndpointStateError` where the endpoint is disabled or removed.
    """
    with transaction.atomic():
        _require_enabled(endpoint_id)
        with connection.cursor() as cursor:
            cursor.execute(_PING, {"type": PING, "actor": actor, "endpoint": endpoint_id})
            delivery_id = int(cursor.fetchone()[0])
        wake([endpoint_id])
    log.info("webhook_ping_sent", endpoint=endpoint_id, delivery=delivery_id, by=actor)
    return delivery_id


def _require_enabled(endpoint_id: int) -> None:
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    if endpoint.disabled_at is not None:
        raise EndpointStateError(
            f"The endpoint is {endpoint.state} ({endpoint.disabled_reason}); enable it first."
        )
