"""Sending again by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.station.outgoing import endpoints, redelivering, sending
from apps.station.outgoing.claiming import claim
from apps.station.outgoing.errors import DeliveryStateError, EndpointStateError
from apps.station.outgoing.models import WebhookDelivery
from tests.integration.outgoing.conftest import add_endpoint
from tests.integration.outgoing.receiver import Answer
from tests.integration.outgoing.rows import make_deliveries, the_delivery

if TYPE_CHECKING:
    from apps.station.outgoing.models import WebhookEndpoint
    from tests.integration.mail.conftest import House
    from tests.integration.outgoing.receiver import Receiver

State = WebhookDelivery.State


def fail(*ids: int, created_at: datetime | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE station_webhookdelivery SET state = 'failed', settled_at = now(),"
            " attempts = 10, created_at = %s WHERE id = ANY(%s)",
            [created_at or datetime.now(tz=UTC), list(ids)],
        )


@pytest.mark.parametrize("status", [200, 500])
def test_delivery_is_sent_again_under_its_id_whatever_became_of_it(
    endpoint: WebhookEndpoint, receiver: Receiver, status: int
) -> None:
    receiver.answers = [Answer(status)]
    [delivery_id] = make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)

    redelivering.redeliver(delivery_id=delivery_id, actor="anna")
    sending.send_due(endpoint_id=endpoint.pk)

    delivery = the_delivery()
    assert receiver.hooks[0].id == receiver.hooks[1].id
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 1)
    assert [one["status"] for one in delivery.history] == [status, 204]


def test_delivery_that_is_being_sent_is_not_sent_again(endpoint: WebhookEndpoint) -> None:
    [delivery_id] = make_deliveries(endpoint, 1)
    claim(endpoint_id=endpoint.pk)

    with pytest.raises(DeliveryStateError, match="being sent"):
        redelivering.redeliver(delivery_id=delivery_id, actor="anna")


def test_all_failed_since_a_time_are_sent_again_in_pages(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        redelivering, "_FAILED_AGAIN", redelivering._FAILED_AGAIN.replace("5000", "2")
    )
    monkeypatch.setattr(redelivering, "PAGE", 2)
    endpoint, other = (add_endpoint(house, receiver.url) for _ in range(2))
    early, *failed, untouched = make_deliveries(endpoint, 7)
    [others] = make_deliveries(other, 1)
    now = datetime.now(tz=UTC)
    fail(early, created_at=now - timedelta(hours=2))
    fail(*failed, others)

    again = redelivering.redeliver_failed(
        endpoint_id=endpoint.pk, since=now - timedelta(hours=1), actor="anna"
    )

    states = dict(WebhookDelivery.objects.values_list("pk", "state"))
    assert again == 5
    assert {pk for pk, state in states.items() if state == State.FAILED} == {early, others}
    assert states[untouched] == State.PENDING


@pytest.mark.parametrize("change", [endpoints.disable, endpoints.remove])
def test_nothing_is_sent_by_hand_to_an_endpoint_that_is_off(
    endpoint: WebhookEndpoint, change: object
) -> None:
    [delivery_id] = make_deliveries(endpoint, 1)
    assert callable(change)
    change(endpoint_id=endpoint.pk, actor="anna")
    now = datetime.now(tz=UTC)

    with pytest.raises(EndpointStateError, match="enable it first"):
        redelivering.redeliver(delivery_id=delivery_id, actor="anna")
    with pytest.raises(EndpointStateError, match="enable it first"):
        redelivering.redeliver_failed(endpoint_id=endpoint.pk, since=now, actor="anna")
    with pytest.raises(EndpointStateError, match="enable it first"):
        redelivering.ping(endpoint_id=endpoint.pk, actor="anna")


def test_ping_goes_to_one_endpoint_whatever_it_asked_for(house: House, receiver: Receiver) -> None:
    endpoint = add_endpoint(house, receiver.url, "message.sent")
    other = add_endpoint(house, receiver.url)

    redelivering.ping(endpoint_id=endpoint.pk, actor="anna")
    sending.send_due(endpoint_id=endpoint.pk)
    sending.send_due(endpoint_id=other.pk)

    [hook] = receiver.hooks
    assert hook.document["type"] == "ping"
    assert hook.document["data"] == {"endpoint_id": endpoint.pk, "by": "anna"}


def test_history_keeps_the_last_tries_alone(endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    [delivery_id] = make_deliveries(endpoint, 1)
    receiver.answers = [Answer(201)]
    for _ in range(22):
        sending.send_due(endpoint_id=endpoint.pk)
        redelivering.redeliver(delivery_id=delivery_id, actor="anna")

    history = the_delivery().history
    assert len(history) == 20
    assert {one["status"] for one in history} == {204}
