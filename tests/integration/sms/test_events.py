"""Events: counted once, matched, put down to the right text, added up."""

from __future__ import annotations

import base64
import hmac
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import connection

from apps.queues.partitions import ensure_partitions
from apps.sms.models import EventSource, Keyword, SentText, TextLink, TrackingEvent
from apps.sms.tracking import clicking, codes, links
from tests.factories.brands import BrandFactory
from tests.factories.texts import SubscriberFactory, SubscriptionFactory, TextMessageFactory
from tests.integration.api.conftest import caller

if TYPE_CHECKING:
    from django.test import Client

    from apps.brands.models import Brand
    from apps.sms.models import Subscriber, TextMessage
    from tests.integration.api.conftest import Caller

PHONE = "+12125550100"


@pytest.fixture(autouse=True)
def _generous_limits(settings: Any) -> None:
    settings.API_BURST = 100_000


@pytest.fixture
def brand(db: None) -> Brand:
    return BrandFactory.create()


@pytest.fixture
def anna(brand: Brand) -> Subscriber:
    person = SubscriberFactory.create(phone=PHONE, email="anna@example.com", baseline_clicks=5)
    SubscriptionFactory.create(subscriber=person, brand=brand)
    return person


@pytest.fixture
def message(brand: Brand) -> TextMessage:
    return TextMessageFactory.create(campaign__brand=brand, brand=brand)


@pytest.fixture
def shop(brand: Brand) -> Caller:
    return caller(brand)


def sent(person: Subscriber, message: TextMessage, *, at: datetime) -> int:
    """A text that went out; its id."""
    ensure_partitions("sms_senttext", around=at.date())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id,"
            " chunk_id, reserved_at, until_at, calling_at, sent_at, settled_at, phone, state)"
            " VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s, %s, %s, 'sent') RETURNING id",
            [at.date(), person.pk, message.pk, message.campaign_id, message.brand_id,
             at, at, at, at, at, person.phone],
        )  # fmt: skip
        number: int = cursor.fetchone()[0]
        return number


def hours_ago(hours: float) -> datetime:
    return datetime.now(tz=UTC) - timedelta(hours=hours)


def test_events_are_counted_once_by_their_id(shop: Caller, anna: Subscriber) -> None:
    event = {"type": "purchase", "event_id": "order-1", "phone": PHONE, "value": 19.99}

    first = shop.post("sms/events", event)
    again = shop.post("sms/events", {**event, "occurred_at": hours_ago(3).isoformat()})
    both = shop.post("sms/events", [event, {**event, "event_id": "order-2", "value": 5}] * 2)

    assert first.body["results"] == [{"index": 0, "success": True, "recorded": True}]
    assert again.body["results"][0]["recorded"] is False
    assert [one["recorded"] for one in both.body["results"]] == [False, True, False, False]
    anna.refresh_from_db()
    assert (anna.total_purchases, anna.total_revenue) == (2, Decimal("24.99"))
    assert anna.has_purchased
    assert anna.last_purchase_at is not None


def test_events_without_id_are_one_within_their_span(shop: Caller, anna: Subscriber) -> None:
    at = hours_ago(5).replace(minute=5, second=0)
    click = {"type": "click", "email": "Anna@example.com", "occurred_at": at.isoformat()}
    soon = {**click, "occurred_at": (at + timedelta(seconds=90)).isoformat()}
    later = {**click, "occurred_at": (at + timedelta(minutes=20)).isoformat()}

    answer = shop.post("sms/events", [click, soon, later])

    assert [one["recorded"] for one in answer.body["results"]] == [True, False, True]
    anna.refresh_from_db()
    assert (anna.total_clicks, anna.baseline_clicks) == (2, 5)
    assert anna.first_click_at == at
    assert anna.last_engagement == at + timedelta(minutes=20)
    assert anna.first_touch["type"] == "click"
    shown = shop.get(f"subscribers/{anna.pk}").body
    assert (shown["totalClicks"], shown["counted"]["totalClicks"]) == (7, 2)


def test_events_belong_to_the_last_text_within_the_window(
    shop: Caller, anna: Subscriber, message: TextMessage, settings: Any
) -> None:
    settings.TEXT_ATTRIBUTION_DAYS = 2
    newer = TextMessageFactory.create(campaign=message.campaign, brand=message.brand)
    sent(anna, message, at=hours_ago(30))
    text_id = sent(anna, newer, at=hours_ago(20))
    days = {"type": "purchase", "phone": PHONE, "value": 10}

    shop.post("sms/events", {**days, "event_id": "a"})
    shop.post("sms/events", {**days, "event_id": "b", "occurred_at": hours_ago(25).isoformat()})
    shop.post("sms/events", {**days, "event_id": "c", "occurred_at": hours_ago(40).isoformat()})
    shop.post("sms/events", {**days, "event_id": "d", "message_id": message.pk})

    found = {one.provider_event_id: one for one in TrackingEvent.objects.all()}
    assert (found["a"].message_id, found["a"].text_id) == (newer.pk, text_id)
    assert found["b"].message_id == message.pk
    assert found["c"].message_id is None
    assert (found["d"].message_id, found["d"].campaign_id) == (message.pk, message.campaign_id)


def test_wrong_events_are_named(shop: Caller, anna: Subscriber) -> None:
    foreign = TextMessageFactory.create()
    stranger = SubscriberFactory.create()
    answer = shop.post(
        "sms/events",
        [
            {"type": "loves", "phone": PHONE},
            {"type": "click"},
            {"type": "click", "phone": stranger.phone},
            {"type": "click", "phone": PHONE, "message_id": foreign.pk},
            {"type": "click", "phone": PHONE, "occurred_at": "2020-01-01T00:00:00Z", "x": 1},
            {"type": "purchase", "phone": PHONE, "value": "much", "currency": "dollars"},
            7,
        ],
    )

    assert [set(one["errors"]) for one in answer.body["results"]] == [
        {"type"}, {"phone"}, {"phone"}, {"message_id"}, {"occurred_at", "x"},
        {"value", "currency"}, {"body"},
    ]  # fmt: skip
    assert not TrackingEvent.objects.exists()
    assert shop.post("sms/events", {"type": "loves", "phone": PHONE}).status == 422


def test_a_thousand_events_in_few_statements(
    shop: Caller, brand: Brand, django_assert_max_num_queries: Any
) -> None:
    people = SubscriberFactory.create_batch(50)
    for person in people:
        SubscriptionFactory.create(subscriber=person, brand=brand)
    events = [
        {"type": "click", "phone": people[n % 50].phone, "event_id": str(n)} for n in range(1000)
    ]

    with django_assert_max_num_queries(14):
        answer = shop.post("sms/events", events)

    assert answer.body["success"]
    assert TrackingEvent.objects.count() == 1000


def test_a_reply_to_stop_leaves_the_brand(shop: Caller, anna: Subscriber, brand: Brand) -> None:
    Keyword.objects.create(word="basta", kind="stop", brand=brand)
    other = SubscriptionFactory.create(subscriber=anna)

    shop.post("sms/events", {"type": "reply", "phone": PHONE, "keyword": "  BASTA! "})

    assert not anna.subscriptions.get(brand=brand).active
    other.refresh_from_db()
    assert other.active


def link(message: TextMessage, url: str = "https://shop.example/sale?a=1") -> TextLink:
    return TextLink.objects.create(message=message, slot=0, name="sale", url=url)


def test_links_lead_on_and_count_people_only(
    client: Client, anna: Subscriber, message: TextMessage
) -> None:
    link(message)
    day = hours_ago(1)
    number = sent(anna, message, at=day)
    slots = links.slots_of([message.pk])[message.pk]
    url = links.urls(sent_text_id=number, local_day=day.date(), slots=slots)["sale"]
    path = url[url.index("/t/") :]

    preview = client.get(path, headers={"user-agent": "facebookexternalhit/1.1"})
    client.head(path, headers={"user-agent": "Mozilla/5.0 (iPhone)"})
    person = client.get(path, headers={"user-agent": "Mozilla/5.0 (iPhone)"})
    client.get(path, headers={"user-agent": "Mozilla/5.0 (iPhone)"})

    for answer in (preview, person):
        assert answer.status_code == 302
        assert answer.headers["Location"] == "https://shop.example/sale?a=1"
    kinds = sorted(TrackingEvent.objects.values_list("event_type", flat=True))
    assert kinds == ["bot_click", "click"]
    anna.refresh_from_db()
    assert anna.total_clicks == 1
    assert anna.last_touch["message"] == message.pk


def test_click_of_a_person_proves_that_a_text_in_doubt_arrived(
    client: Client, anna: Subscriber, message: TextMessage
) -> None:
    link(message)
    day = hours_ago(1)
    number = sent(anna, message, at=day)
    text = SentText.objects.filter(pk=number)
    text.update(state="unknown", sent_at=None, reason="timeout")
    slots = links.slots_of([message.pk])[message.pk]
    url = links.urls(sent_text_id=number, local_day=day.date(), slots=slots)["sale"]
    path = url[url.index("/t/") :]

    client.get(path, headers={"user-agent": "facebookexternalhit/1.1"})
    after_the_machine = text.values_list("state", flat=True).get()
    client.get(path, headers={"user-agent": "Mozilla/5.0 (iPhone)"})

    assert after_the_machine == "unknown"
    assert text.values_list("state", "detail").get() == ("sent", "proven: clicked")


def test_links_that_we_never_made(client: Client, anna: Subscriber, message: TextMessage) -> None:
    link(message)
    never_sent = codes.encode(codes.Target(99, hours_ago(1).date(), 0))

    for code in ("x" * 12, never_sent, "a", "%00"):
        assert client.get(f"/t/{code}").status_code == 404
    assert clicking.find(never_sent) is None
    assert client.post("/t/" + "x" * 12).status_code == 405


def signed(secret: bytes, body: bytes, *, at: float | None = None) -> dict[str, str]:
    when = str(int(at or time.time()))
    mac = hmac.digest(secret, f"id1.{when}.".encode() + body, "sha256")
    return {
        "webhook-id": "id1",
        "webhook-timestamp": when,
        "webhook-signature": "v1,AAAA v1," + base64.b64encode(mac).decode(),
    }


def test_webhook_takes_what_was_signed(client: Client, brand: Brand, anna: Subscriber) -> None:
    secret = "s" * 32
    source = EventSource.objects.create(brand=brand, name="shop", secret=secret)
    path = f"/hooks/sms-events/{source.token}"
    body = orjson.dumps([{"type": "click", "phone": PHONE, "event_id": "1"}])

    def post(raw: bytes, headers: dict[str, str]) -> Any:
        return client.post(path, raw, content_type="application/json", headers=headers)

    good = post(body, signed(secret.encode(), body))
    again = post(body, signed(secret.encode(), body))
    forged = post(body, signed(b"t" * 32, body))
    changed = post(body + b" ", signed(secret.encode(), body))
    stale = post(body, signed(secret.encode(), body, at=time.time() - 900))
    broken = post(b"{", signed(secret.encode(), b"{"))

    assert good.json()["results"][0]["recorded"] is True
    assert again.json()["results"][0]["recorded"] is False
    assert [one.status_code for one in (forged, changed, stale, broken)] == [401, 401, 401, 400]
    assert TrackingEvent.objects.count() == 1
    assert client.get(path).status_code == 405
    assert client.post("/hooks/sms-events/nobody").status_code == 404


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("keyword = 'pizza' AND keyword IS NOT NULL", "keyword"),
        ("message_id = 7 AND event_type = 'click'", "message_id_event_type"),
        ("subscriber_id = 7 ORDER BY occurred_at DESC LIMIT 20", "subscriber_id_occurred_at"),
    ],
)
@pytest.mark.django_db
def test_plans_of_events(condition: str, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT * FROM sms_trackingevent WHERE {condition}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert f"_{index}_idx" in plan
    assert "Seq Scan" not in plan
