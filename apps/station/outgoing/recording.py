"""Writing events down, with a delivery for each endpoint that wants them: one statement a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.station.outgoing.models import WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Of an erased person nothing is told that names them, in the provider's words either.
_UNLESS_ERASED = """
(SELECT {column} WHERE NOT EXISTS (
        SELECT 1 FROM contacts_contact person
         WHERE person.id = message.contact_id AND person.erased_at IS NOT NULL))
"""
MESSAGE_DATA = f"""
jsonb_strip_nulls(jsonb_build_object(
    'message_id', message.id, 'mailing_id', mailing.id, 'campaign_id', campaign.id,
    'contact_id', message.contact_id,
    'email', {_UNLESS_ERASED.format(column="message.address")},
    'state', message.state, 'reason', nullif(message.reason, ''),
    'detail', {_UNLESS_ERASED.format(column="nullif(message.detail, '')")},
    'provider_id', nullif(message.provider_id, '')))
"""

# `candidate` yields brand_id, type, key, contact_id, occurred_at, data. A key that is known, be it
# from an earlier month, makes no second event.
_RECORD = """
WITH candidate AS MATERIALIZED ({candidates}), made AS (
    INSERT INTO station_webhookevent (month, brand_id, type, key, contact_id, occurred_at, data)
    SELECT date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC')::date,
           brand_id, type, key, contact_id, occurred_at, data
      FROM candidate
     WHERE EXISTS (SELECT 1 FROM station_webhookendpoint endpoint
                    WHERE endpoint.brand_id = candidate.brand_id
                      AND endpoint.disabled_at IS NULL
                      AND candidate.type = ANY (endpoint.event_types))
       AND NOT EXISTS (SELECT 1 FROM station_webhookevent known WHERE known.key = candidate.key)
    ON CONFLICT DO NOTHING
    RETURNING id, month, brand_id, type
), deliveries AS (
    INSERT INTO station_webhookdelivery (month, event_id, endpoint_id, brand_id, type, due_at)
    SELECT made.month, made.id, endpoint.id, made.brand_id, made.type, statement_timestamp()
      FROM made JOIN station_webhookendpoint endpoint
        ON endpoint.brand_id = made.brand_id AND endpoint.disabled_at IS NULL
       AND made.type = ANY (endpoint.event_types)
    RETURNING endpoint_id
)
SELECT endpoint_id, count(*) FROM deliveries GROUP BY endpoint_id
"""


def wanted_types() -> frozenset[str]:
    """What any enabled endpoint of any brand asks for.

    Ask after the end of what is read is known: then an endpoint that was there when something
    happened is seen.
    """
    lists = WebhookEndpoint.objects.enabled().values_list("event_types", flat=True)
    return frozenset(one for types in lists for one in types)


def record(candidates: str, params: Mapping[str, Any]) -> int:
    """Records what `candidates`, a SELECT, yields and somebody wants; returns the deliveries made.

    The endpoints' senders are woken when the transaction commits.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(candidates=candidates), dict(params))
        made: dict[int, int] = dict(cursor.fetchall())
    wake(made)
    return sum(made.values())


def wake(endpoint_ids: Collection[int]) -> None:
    for endpoint_id in endpoint_ids:
        enqueue(TaskName.SEND_WEBHOOKS, endpoint_id=endpoint_id)
