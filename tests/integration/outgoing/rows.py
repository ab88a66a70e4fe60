"""Deliveries made directly, and looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import F

from apps.station.outgoing import redelivering
from apps.station.outgoing.models import WebhookDelivery, WebhookEvent

if TYPE_CHECKING:
    from apps.station.outgoing.models import WebhookEndpoint


def make_deliveries(endpoint: WebhookEndpoint, number: int) -> list[int]:
    """So many pings that wait for the endpoint, and nobody was woken for."""
    return [redelivering.ping(endpoint_id=endpoint.pk, actor="a test") for _ in range(number)]


def make_due(endpoint: WebhookEndpoint) -> None:
    """As if the time of every next try, and of the endpoint's rest, had come."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE station_webhookdelivery SET due_at = statement_timestamp()"
            " WHERE endpoint_id = %s AND state IN ('pending', 'calling')",
            [endpoint.pk],
        )
        cursor.execute(
            "UPDATE station_webhookendpoint SET held_until = NULL WHERE id = %s", [endpoint.pk]
        )


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def events() -> list[tuple[str, str]]:
    """Type and key of every event, in the order they were recorded."""
    return list(WebhookEvent.objects.order_by("pk").values_list("type", "key"))


def told_types(endpoint: WebhookEndpoint) -> list[str]:
    """The types of all deliveries to the endpoint, sorted."""
    return sorted(
        WebhookDelivery.objects.filter(endpoint=endpoint, month=F("event__month")).values_list(
            "event__type", flat=True
        )
    )
