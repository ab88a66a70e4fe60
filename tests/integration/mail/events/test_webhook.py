"""The address that the provider posts to: what is let in, what is stored, what is answered."""

from __future__ import annotations

import io
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.mail import webhooks
from apps.mail.events import receiving
from apps.mail.events.endpoints import KEPT_SECONDS, endpoints
from apps.mail.intake import Intake
from apps.mail.models import DeliveryEvent
from apps.queues.names import TaskName
from apps.sandbox.resend.webhooks import sign
from tests.integration.mail.events.deliveries import PREVIOUS, SECRET, arrive, body, post

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from apps.brands.models import ProviderAccount
    from tests.integration.mail.conftest import House

REFUSAL = {"statusCode", "name", "message"}


@pytest.fixture
def wake_ups(monkeypatch: pytest.MonkeyPatch) -> list[TaskName]:
    woken: list[TaskName] = []
    monkeypatch.setattr(receiving, "enqueue", woken.append)
    return woken


def refused(answer: Any, status: int, name: str) -> bool:
    content = answer.json()
    assert set(content) == REFUSAL
    assert not DeliveryEvent.objects.exists()
    return (answer.status_code, content["statusCode"], content["name"]) == (status, status, name)


def test_signed_event_is_stored_as_it_came(client: Client, account: ProviderAccount) -> None:
    content = body("email.sent", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    answer = post(client, account, content, event_id="msg_42")

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    stored = DeliveryEvent.objects.get()
    assert stored.payload.encode() == content
    assert (stored.account_id, stored.provider_event_id) == (account.pk, "msg_42")
    assert (stored.type, stored.applied_at, stored.outcome) == ("email.sent", None, "")
    assert stored.occurred_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("slash", ["", "/"])
def test_address_works_with_and_without_slash(
    client: Client, account: ProviderAccount, slash: str
) -> None:
    assert post(client, account, body("email.sent"), slash=slash).status_code == 200


def test_event_wakes_a_worker_once_it_is_stored(
    client: Client, account: ProviderAccount, wake_ups: list[TaskName]
) -> None:
    post(client, account, body("email.sent"))

    assert wake_ups == [TaskName.APPLY_EVENTS]


def test_burst_of_events_needs_one_wake_up(
    client: Client, account: ProviderAccount, wake_ups: list[TaskName]
) -> None:
    for number in range(5):
        post(client, account, body("email.sent"), event_id=f"msg_{number}")

    assert wake_ups == [TaskName.APPLY_EVENTS]
    assert DeliveryEvent.objects.count() == 5


def test_redelivered_event_is_stored_once_and_answered_alike(
    client: Client, account: ProviderAccount, wake_ups: list[TaskName]
) -> None:
    first = post(client, account, body("email.sent"))
    wake_ups.clear()

    second = post(client, account, body("email.sent"), age_seconds=-5)

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert DeliveryEvent.objects.count() == 1
    assert wake_ups == []


def test_same_event_id_of_another_account_is_another_event(
    client: Client, account: ProviderAccount
) -> None:
    account_b = type(account).objects.create(name="b", api_key="re_b", webhook_secret=SECRET)
    post(client, account, body("email.sent"))

    post(client, account_b, body("email.sent"))

    assert DeliveryEvent.objects.count() == 2


def test_storing_costs_one_insert_once_the_account_is_known(
    client: Client,
    account: ProviderAccount,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As on a connection that no operator has used: earlier tests did, and rolled it back.
    monkeypatch.setattr(connection, "_station_actor", "", raising=False)
    # The savepoint is the test's transaction's: there is none in a request.
    with django_assert_num_queries(4) as captured:
        post(client, account, body("email.sent"))

    words = [query["sql"].split()[0] for query in captured.captured_queries]
    assert words == ["SELECT", "SAVEPOINT", "INSERT", "RELEASE"]
    with django_assert_num_queries(3):
        post(client, account, body("email.sent"), event_id="msg_2")


def test_new_secret_is_known_within_seconds(
    client: Client, account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "_clock", lambda: 1_000.0)
    post(client, account, body("email.sent"))
    account.webhook_secret, account.previous_webhook_secret = PREVIOUS, ""
    account.save()

    at_once = post(client, account, body("email.sent"), event_id="msg_2")
    monkeypatch.setattr(endpoints, "_clock", lambda: 1_000.0 + KEPT_SECONDS)
    later = post(client, account, body("email.sent"), event_id="msg_3")

    assert (at_once.status_code, later.status_code) == (200, 401)


def test_tokens_that_lead_nowhere_are_not_looked_up_again(
    client: Client,
    account: ProviderAccount,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints, "_clock", lambda: 1_000.0)
    monkeypatch.setattr(connection, "_station_actor", "", raising=False)
    account.webhook_token = "x" * 24
    post(client, account, body("email.sent"))

    with django_assert_num_queries(0):
        assert post(client, account, body("email.sent")).status_code == 404


def by_the_short_way(
    account: ProviderAccount, content: bytes, *, method: str = "POST", secret: str = SECRET
) -> tuple[str, dict[str, str], Any]:
    """As gunicorn calls: status line, headers, body."""
    timestamp = int(time.time())
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": f"/webhooks/resend/{account.webhook_token}/",
        "wsgi.input": io.BytesIO(content),
        "HTTP_SVIX_ID": "msg_1",
        "HTTP_SVIX_TIMESTAMP": str(timestamp),
        "HTTP_SVIX_SIGNATURE": sign(secret, message_id="msg_1", timestamp=timestamp, body=content),
    }

    def start(*given: Any) -> Any:
        told.append(given)

    chunks = Intake(lambda *_: [b"passed on"])(environ, start)
    [(status, headers)] = told
    return status, dict(headers), orjson.loads(b"".join(chunks))


def test_short_way_stores_and_refuses_like_the_view(account: ProviderAccount) -> None:
    content = body("email.sent")

    stored = by_the_short_way(account, content)
    forged = by_the_short_way(account, content, secret=PREVIOUS)
    looked = by_the_short_way(account, content, method="GET")

    assert (stored[0], stored[2]) == ("200 OK", {"received": True})
    assert DeliveryEvent.objects.get().payload.encode() == content
    assert (forged[0], forged[2]["name"]) == ("401 Unauthorized", "invalid_signature")
    assert (looked[0], looked[1]["Allow"]) == ("405 Method Not Allowed", "POST")
    assert len(stored[1]["X-Correlation-ID"]) == 32


def test_short_way_passes_everything_else_on() -> None:
    start: Any = None
    passed = Intake(lambda *_: [b"passed on"])

    assert list(passed({"PATH_INFO": "/admin/"}, start)) == [b"passed on"]


def test_short_way_tries_again_on_a_new_connection(
    account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, tries, closed = receiving._insert, [], []

    def away_at_first(event: Any, month: Any) -> bool:
        tries.append(event)
        if len(tries) == 1:
            raise OperationalError("the connection is lost")
        return insert(event, month)

    monkeypatch.setattr(receiving, "_insert", away_at_first)
    monkeypatch.setattr(connection, "close", lambda: closed.append(True))

    assert by_the_short_way(account, body("email.sent"))[0] == "200 OK"
    assert closed == [True]


def test_answer_needs_and_sets_no_cookie(account: ProviderAccount) -> None:
    strict = Client(enforce_csrf_checks=True)

    answer = post(strict, account, body("email.sent"))

    assert answer.status_code == 200
    assert not answer.cookies


# --- What is kept out -------------------------------------------------------------------------


def test_wrong_secret_is_refused(client: Client, account: ProviderAccount) -> None:
    answer = post(client, account, body("email.sent"), secret=PREVIOUS)

    assert refused(answer, 401, "invalid_signature")


def test_previous_secret_is_valid_while_it_is_kept(
    client: Client, account: ProviderAccount
) -> None:
    account.previous_webhook_secret = PREVIOUS
    account.save()

    assert post(client, account, body("email.sent"), secret=PREVIOUS).status_code == 200
    assert post(client, account, body("email.sent"), secret=SECRET).status_code == 200


def test_account_without_a_secret_lets_nobody_in(client: Client, account: ProviderAccount) -> None:
    account.webhook_secret = ""
    account.save()

    answer = post(client, account, body("email.sent"), secret="")

    assert refused(answer, 401, "invalid_signature")


@pytest.mark.parametrize("age_seconds", [310, -310])
def test_replayed_delivery_is_refused(
    client: Client, account: ProviderAccount, age_seconds: int
) -> None:
    answer = post(client, account, body("email.sent"), age_seconds=age_seconds)

    assert refused(answer, 401, "timestamp_out_of_tolerance")


def test_event_of_another_account_is_refused(client: Client, account: ProviderAccount) -> None:
    other = type(account).objects.create(name="other", api_key="re_other", webhook_secret=PREVIOUS)

    assert refused(post(client, other, body("email.sent")), 401, "invalid_signature")


def test_unsigned_body_is_refused_before_it_is_read(
    client: Client, account: ProviderAccount
) -> None:
    answer = client.post(f"/webhooks/resend/{account.webhook_token}/", b"{", "application/json")

    assert refused(answer, 401, "missing_signature")


@pytest.mark.parametrize(
    "token", ["A" * 32, "short", "%00" * 20, "%F0%9F%92%A9" * 20, "x" * 3000, "%2e%2e"]
)
def test_unknown_token_tells_nothing(client: Client, account: ProviderAccount, token: str) -> None:
    answer = client.post(f"/webhooks/resend/{token}/", b"{}", "application/json")

    assert refused(answer, 404, "not_found")


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_other_methods_are_refused(client: Client, account: ProviderAccount, method: str) -> None:
    answer = getattr(client, method)(f"/webhooks/resend/{account.webhook_token}/")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_truncated_body_is_refused(client: Client, account: ProviderAccount) -> None:
    content = body("email.sent")
    length = len(content)

    answer = client.generic(
        "POST",
        f"/webhooks/resend/{account.webhook_token}/",
        content[: length // 2],
        "application/json",
        headers={"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,x"},
    )

    assert refused(answer, 401, "invalid_signature")


def test_largest_body_is_stored(client: Client, account: ProviderAccount) -> None:
    empty = len(body("email.sent", filling=""))

    content = body("email.sent", filling="x" * (webhooks.BODY_LIMIT_BYTES - empty))

    assert len(content) == webhooks.BODY_LIMIT_BYTES
    assert post(client, account, content).status_code == 200


def test_larger_body_is_refused_however_well_signed(
    client: Client, account: ProviderAccount
) -> None:
    answer = post(client, account, body("email.sent", filling="x" * webhooks.BODY_LIMIT_BYTES))

    assert refused(answer, 413, "payload_too_large")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[]", b'{"type":"email.sent"}'])
def test_signed_rubbish_is_refused(
    client: Client, account: ProviderAccount, content: bytes
) -> None:
    assert refused(post(client, account, content), 400, "malformed_event")


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=300),
    headers=st.dictionaries(
        st.sampled_from(["svix-id", "svix-timestamp", "svix-signature"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    ),
)
def test_whatever_is_posted_is_never_our_fault(
    client: Client, account: ProviderAccount, content: bytes, headers: dict[str, str]
) -> None:
    answer = client.post(
        f"/webhooks/resend/{account.webhook_token}/",
        content,
        content_type="application/json",
        headers=headers,
    )

    assert 400 <= answer.status_code < 500
    assert set(answer.json()) == REFUSAL


def test_database_that_is_away_asks_for_another_delivery(
    client: Client, account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise OperationalError("the connection is lost: password=secret")

    monkeypatch.setattr(receiving, "_insert", away)

    answer = post(client, account, body("email.sent"))

    assert refused(answer, 503, "service_unavailable")
    assert "password" not in answer.content.decode()


# --- Partitions -------------------------------------------------------------------------------


def test_month_without_partition_gets_one(account: ProviderAccount) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE mail_deliveryevent_{datetime.now(tz=UTC):%Y_%m}")

    assert arrive(account, body("email.sent"))

    assert DeliveryEvent.objects.count() == 1


@pytest.mark.parametrize("year", [1, 1970, 2200, 9999])
def test_absurd_date_meets_its_redelivery(account: ProviderAccount, year: int) -> None:
    content = body("email.sent", at=datetime(year, 6, 1, tzinfo=UTC))

    first = arrive(account, content, event_id="msg_1")
    second = arrive(account, content, event_id="msg_1")

    assert (first, second) == (True, False)
    stored = DeliveryEvent.objects.get()
    assert stored.occurred_at.year == year
    assert stored.month == datetime.now(tz=UTC).date().replace(day=1)


def test_event_of_last_month_meets_its_redelivery(account: ProviderAccount) -> None:
    last_month = datetime.now(tz=UTC).replace(day=1) - timedelta(seconds=1)
    content = body("email.sent", at=last_month)

    assert arrive(account, content, event_id="msg_1")
    assert not arrive(account, content, event_id="msg_1")
    assert DeliveryEvent.objects.get().month == last_month.date().replace(day=1)


# --- At the same time -------------------------------------------------------------------------


def test_concurrent_deliveries_are_stored_once(committed_house: House) -> None:
    account = committed_house.account
    account.webhook_secret = SECRET
    account.save()
    content = body("email.sent")
    statuses: list[int] = []
    start = threading.Barrier(8)

    def deliver() -> None:
        start.wait()
        statuses.append(post(Client(), account, content).status_code)
        connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 8
    assert DeliveryEvent.objects.count() == 1


def test_concurrent_first_events_of_a_month_all_find_their_partition(
    committed_house: House,
) -> None:
    account = committed_house.account
    table = f"mail_deliveryevent_{datetime.now(tz=UTC):%Y_%m}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")
    stored: list[bool] = []
    start = threading.Barrier(4)

    def deliver() -> None:
        start.wait()
        stored.append(arrive(account, body("email.sent")))
        connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stored == [True] * 4
    assert DeliveryEvent.objects.count() == 4
