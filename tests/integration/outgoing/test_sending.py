"""Claim, call, settle: against a real receiver."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.station.outgoing import calling, claiming, endpoints, sending, settling
from apps.station.outgoing.calling import Ending, Outcome
from apps.station.outgoing.claiming import MOST_UNDER_WAY, claim
from apps.station.outgoing.models import WebhookDelivery, WebhookEndpoint
from apps.station.outgoing.settling import RETRY_SECONDS, settle
from tests.integration.outgoing.conftest import add_endpoint
from tests.integration.outgoing.receiver import Answer
from tests.integration.outgoing.rows import make_deliveries, make_due, the_delivery

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House
    from tests.integration.outgoing.receiver import Receiver

State = WebhookDelivery.State


def seconds_until_due() -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM due_at - statement_timestamp()) FROM station_webhookdelivery"
        )
        return float(cursor.fetchone()[0])


def test_webhook_arrives_signed_and_as_documented(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    make_deliveries(endpoint, 1)

    calls = sending.send_due(endpoint_id=endpoint.pk)

    [hook] = receiver.hooks
    hook.verify(endpoint.secret)
    delivery = the_delivery()
    assert calls == 1
    assert hook.path == "/in?from=station"
    assert hook.headers["content-type"] == "application/json"
    assert hook.headers["user-agent"].startswith("FluxStation-Webhooks")
    assert hook.id == f"evt_{delivery.event.uid.hex}"
    assert hook.document["type"] == "ping"
    assert hook.document["data"] == {"endpoint_id": endpoint.pk, "by": "a test"}
    assert (delivery.state, delivery.last_status, delivery.attempts) == (State.DELIVERED, 204, 1)


def test_both_secrets_sign_while_one_is_being_changed(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    new = endpoints.rotate_secret(endpoint_id=endpoint.pk, actor="anna")
    make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)
    endpoints.forget_previous_secret(endpoint_id=endpoint.pk, actor="anna")
    make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)

    during, after = receiver.hooks
    during.verify(new)
    during.verify(endpoint.secret)
    after.verify(new)
    with pytest.raises(ValueError, match="signature"):
        after.verify(endpoint.secret)


def test_failed_tries_are_repeated_under_one_id_with_growing_spans(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(500, body=b"<h1>Oops</h1>\n")
    make_deliveries(endpoint, 1)
    waits = []
    for _ in RETRY_SECONDS:
        sending.send_due(endpoint_id=endpoint.pk)
        waits.append(seconds_until_due())
        make_due(endpoint)

    receiver.otherwise = Answer(200, body=b"thanks")
    sending.send_due(endpoint_id=endpoint.pk)

    delivery = the_delivery()
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 10)
    assert len({hook.id for hook in receiver.hooks}) == 1
    assert len({hook.headers["webhook-timestamp"] for hook in receiver.hooks}) >= 1
    for waited, span in zip(waits, RETRY_SECONDS, strict=True):
        assert span - 2 < waited <= span * 1.2
    assert [one.get("status") for one in delivery.history] == [500] * 9 + [200]
    assert delivery.history[0]["error"] == "answered 500"
    assert delivery.snippet == "thanks"


def test_delivery_has_failed_once_its_tries_are_spent(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(404, body=b"who?")
    make_deliveries(endpoint, 1)
    for _ in range(len(RETRY_SECONDS) + 3):
        sending.send_due(endpoint_id=endpoint.pk)
        make_due(endpoint)

    delivery = the_delivery()
    assert (delivery.state, delivery.attempts) == (State.FAILED, 10)
    assert (delivery.last_status, delivery.last_error) == (404, "answered 404")
    assert delivery.snippet == "who?"
    assert delivery.settled_at is not None
    assert len(receiver.hooks) == 10


def test_receiver_that_names_a_time_is_left_alone_until_then_and_costs_no_try(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.answers = [Answer(429, {"retry-after": "120"})]
    make_deliveries(endpoint, 1)

    sending.send_due(endpoint_id=endpoint.pk)
    wait = seconds_until_due()
    make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)

    first = WebhookDelivery.objects.order_by("pk")[0]
    endpoint.refresh_from_db()
    assert 100 < wait <= 120
    assert len(receiver.hooks) == 1
    assert (first.state, first.attempts) == (State.PENDING, 0)
    assert endpoint.held_until is not None
    assert endpoint.state == "failing"


def test_endpoint_that_is_gone_is_disabled_at_once_and_its_deliveries_wait(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.answers = [Answer(410)]
    make_deliveries(endpoint, 2)
    WebhookEndpoint.objects.update(failures=1, failing_since=endpoint.created_at)

    sending.send_due(endpoint_id=endpoint.pk)
    sending.send_due(endpoint_id=endpoint.pk)

    endpoint.refresh_from_db()
    assert len(receiver.hooks) == 1
    assert endpoint.state == "disabled"
    assert "410" in endpoint.disabled_reason
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.PENDING}
    assert list(claiming.due_deliveries()) == []

    endpoints.enable(endpoint_id=endpoint.pk, actor="anna")
    sending.send_due(endpoint_id=endpoint.pk)

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.DELIVERED}


def test_endpoint_that_only_failed_for_days_is_disabled_with_the_reason(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(503)
    make_deliveries(endpoint, 1)
    sending.send_due(endpoint_id=endpoint.pk)
    early = WebhookEndpoint.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE station_webhookendpoint"
            " SET failing_since = failing_since - interval '5 days 1 minute'"
        )
    make_due(endpoint)

    sending.send_due(endpoint_id=endpoint.pk)

    endpoint.refresh_from_db()
    assert early.state == "failing"
    assert endpoint.state == "disabled"
    assert endpoint.disabled_reason == "Nothing could be delivered for 5 days; last: answered 503."
    assert the_delivery().state == State.PENDING


def test_one_success_forgets_the_failures_before_it(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.answers = [Answer(500), Answer(500), Answer(200)]
    make_deliveries(endpoint, 1)
    for _ in range(3):
        sending.send_due(endpoint_id=endpoint.pk)
        make_due(endpoint)

    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since, endpoint.state) == (0, None, "enabled")
    assert endpoint.last_success_at is not None


def test_failing_endpoint_gets_one_call_at_a_time_and_then_rests(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(500)
    make_deliveries(endpoint, 30)

    sending.send_due(endpoint_id=endpoint.pk)
    tried = len(receiver.hooks)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE station_webhookendpoint SET held_until = NULL")
    sending.send_due(endpoint_id=endpoint.pk)

    endpoint.refresh_from_db()
    assert tried == MOST_UNDER_WAY
    assert len(receiver.hooks) == tried + 1
    assert endpoint.held_until is not None
    assert endpoint.failures == settling.FAILURES_BEFORE_REST + 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1:{port}/", "TLS failed: is the certificate valid?"),
        ("http://127.0.0.1:1/", "the connection was refused"),
        ("https://no-such-host.invalid/", "the name of the host was not found"),
    ],
)
def test_receiver_that_cannot_be_reached_is_told_in_words(
    house: House, receiver: Receiver, url: str, said: str
) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    endpoint = add_endpoint(house, url.format(port=port))
    make_deliveries(endpoint, 1)

    sending.send_due(endpoint_id=endpoint.pk)

    delivery = the_delivery()
    assert (delivery.state, delivery.last_status) == (State.PENDING, None)
    assert delivery.last_error == said
    assert receiver.hooks == []


def test_redirect_is_not_followed(endpoint: WebhookEndpoint, receiver: Receiver) -> None:
    receiver.answers = [Answer(302, {"location": "http://169.254.169.254/"})]
    make_deliveries(endpoint, 1)

    sending.send_due(endpoint_id=endpoint.pk)

    assert the_delivery().last_error == "answered 302: redirects are not followed"
    assert len(receiver.hooks) == 1


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.7"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["8.8.8.8", "192.168.0.1"]],
)
def test_name_that_leads_into_a_private_network_is_not_called(
    house: House, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    endpoint = add_endpoint(house, "https://rebinding.example/in")
    make_deliveries(endpoint, 1)

    def found(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        assert host == "rebinding.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    def connected(*_: object) -> None:
        raise AssertionError("a connection was tried")

    with monkeypatch.context() as patched:
        patched.setattr("apps.queues.outbound.dialling.socket.getaddrinfo", found)
        patched.setattr("apps.queues.outbound.dialling._connect_first", connected)
        sending.send_due(endpoint_id=endpoint.pk)

    assert the_delivery().last_error == "the host leads into a private network"


def test_own_machine_is_not_called_once_the_setting_for_development_is_off(
    endpoint: WebhookEndpoint, receiver: Receiver, settings: Any
) -> None:
    make_deliveries(endpoint, 1)
    settings.WEBHOOK_LOOPBACK = False

    sending.send_due(endpoint_id=endpoint.pk)

    assert "own machine" in the_delivery().last_error
    assert receiver.hooks == []


def test_slow_receiver_is_cut_off_at_the_deadline(
    endpoint: WebhookEndpoint, receiver: Receiver, settings: Any
) -> None:
    settings.WEBHOOK_TOTAL_SECONDS = 0.3
    receiver.answers = [Answer(200, seconds=1.0)]
    make_deliveries(endpoint, 1)

    sending.send_due(endpoint_id=endpoint.pk)

    delivery = the_delivery()
    assert delivery.last_error == "no answer in time"
    assert delivery.latency_ms is not None
    assert 250 < delivery.latency_ms < 900


def test_calls_to_an_endpoint_run_side_by_side_up_to_the_bound(
    endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.otherwise = Answer(204, seconds=0.1)
    make_deliveries(endpoint, 3 * MOST_UNDER_WAY)

    sending.send_due(endpoint_id=endpoint.pk)

    assert len(receiver.hooks) == 3 * MOST_UNDER_WAY
    assert 2 <= receiver.most_at_once <= MOST_UNDER_WAY


def test_claims_leave_out_what_is_under_way_elsewhere(endpoint: WebhookEndpoint) -> None:
    make_deliveries(endpoint, MOST_UNDER_WAY + 5)

    first = claim(endpoint_id=endpoint.pk, most=MOST_UNDER_WAY - 2)
    second = claim(endpoint_id=endpoint.pk)
    third = claim(endpoint_id=endpoint.pk)

    assert first is not None
    assert second is not None
    assert (len(first.deliveries), len(second.deliveries)) == (MOST_UNDER_WAY - 2, 2)
    assert third is None


def test_workers_that_claim_at_once_keep_to_the_bound_together(
    committed_house: House, receiver: Receiver
) -> None:
    endpoint = add_endpoint(committed_house, receiver.url)
    make_deliveries(endpoint, 40)
    start = threading.Barrier(6)

    def worker(_: int) -> list[int]:
        start.wait()
        claimed = [one for _ in range(3) if (one := claim(endpoint_id=endpoint.pk, most=8))]
        connection.close()
        return [delivery.id for one in claimed for delivery in one.deliveries]

    with ThreadPoolExecutor(6) as threads:
        taken = [one for ids in threads.map(worker, range(6)) for one in ids]

    assert len(taken) == len(set(taken)) == 8


def test_worker_killed_before_it_settled_is_followed_by_another_under_the_same_id(
    endpoint: WebhookEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the receiver had it, and gets it again with the id that it knows."""
    make_deliveries(endpoint, 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sending, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            sending.send_due(endpoint_id=endpoint.pk)
    meanwhile = sending.send_due(endpoint_id=endpoint.pk)
    make_due(endpoint)  # the lease has ended

    sending.send_due(endpoint_id=endpoint.pk)

    assert meanwhile == 0
    assert len(receiver.hooks) == 2
    assert receiver.hooks[0].id == receiver.hooks[1].id
    assert the_delivery().state == State.DELIVERED


def test_worker_that_slept_through_its_lease_settles_nothing(endpoint: WebhookEndpoint) -> None:
    make_deliveries(endpoint, 1)
    slept = claim(endpoint_id=endpoint.pk)
    make_due(endpoint)
    owner = claim(endpoint_id=endpoint.pk)
    assert slept is not None
    assert owner is not None

    written = settle(slept.deliveries[0], Outcome(Ending.GONE, status=410, error="gone"))

    endpoint.refresh_from_db()
    assert not written
    assert endpoint.state == "enabled"
    assert the_delivery().state == State.CALLING
    assert settle(owner.deliveries[0], Outcome(Ending.DELIVERED, status=200))


def test_fault_of_ours_is_a_failed_try_and_not_repeated_without_end(
    endpoint: WebhookEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deliveries(endpoint, 2)
    real = calling.body_of

    def faulty(**fields: Any) -> bytes:
        if fields["data"]["by"] == "x":
            raise ZeroDivisionError
        return real(**fields)

    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE station_webhookevent SET data = data || \'{"by": "x"}\''
            " WHERE id = (SELECT min(id) FROM station_webhookevent)"
        )
    monkeypatch.setattr(sending, "body_of", faulty)

    sending.send_due(endpoint_id=endpoint.pk)

    first, second = WebhookDelivery.objects.order_by("pk")
    assert (first.state, first.last_error) == (
        State.PENDING,
        "a fault of the station: ZeroDivisionError",
    )
    assert second.state == State.DELIVERED
    assert len(receiver.hooks) == 1


def test_slow_endpoint_does_not_hold_up_another(
    house: House, receiver: Receiver, settings: Any
) -> None:
    slow = add_endpoint(house, receiver.url)
    quick = add_endpoint(house, receiver.url)
    make_deliveries(slow, MOST_UNDER_WAY + 1)
    make_deliveries(quick, 1)
    assert claim(endpoint_id=slow.pk) is not None  # a worker is held by all that it may have

    assert sending.send_due(endpoint_id=slow.pk) == 0
    assert sending.send_due(endpoint_id=quick.pk) == 1


def test_sweeper_wakes_one_worker_for_each_endpoint_that_may_be_sent_to(house: House) -> None:
    url = "https://hooks.example/in"
    due, disabled, held, idle = (add_endpoint(house, url) for _ in range(4))
    for one in (due, disabled, held):
        make_deliveries(one, 3)
    endpoints.disable(endpoint_id=disabled.pk, actor="anna")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE station_webhookendpoint SET held_until = now() + interval '1 minute'"
            " WHERE id = %s",
            [held.pk],
        )

    found = list(claiming.due_deliveries())

    assert [(one.units, one.ids) for one in found] == [(1, {"endpoint_id": due.pk})]
    assert idle.pk not in {one.ids["endpoint_id"] for one in found}
