"""Pulse: taken at once, stored in bulk, never lost."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import connection
from django.test import Client

from apps.brands import keys
from apps.brands.models import Scope
from apps.newsletter.models import Interaction, PulseCall
from apps.newsletter.pulse import letters, storing, taking
from apps.queues import dead_letters
from apps.queues.models import DeadLetter
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ContactFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from apps.contacts.models import Contact

pytestmark = pytest.mark.django_db

NOW = datetime.now(tz=UTC).replace(microsecond=0)


@pytest.fixture
def brand() -> Brand:
    return BrandFactory.create()


@pytest.fixture(autouse=True)
def _measured_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "MEASURED_EVERY_SECONDS", 0.0)


def told(number: int, *, start: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"e{n}", "kind": "visited", "occurred_at": NOW.isoformat(), **more}
        for n in range(start, start + number)
    ]


def post(brand: Brand, body: Any, *, scope: str = Scope.PULSE_WRITE) -> Any:
    name = f"key {uuid.uuid4()}"
    token = keys.issue(brand=brand, name=name, scopes=[scope], by="test").token
    return Client(raise_request_exception=False).post(
        "/api/pulse",
        orjson.dumps(body),
        content_type="application/json",
        headers={"authorization": f"Bearer {token}"},
    )


def test_call_is_answered_before_it_is_stored(brand: Brand) -> None:
    answer = post(brand, {"interactions": told(3)})

    call = PulseCall.objects.get()
    assert (answer.status_code, answer.json()) == (
        202,
        {"object": "pulse", "id": call.pk, "taken": 3},
    )
    assert not Interaction.objects.exists()
    assert [due.units for due in storing.due_calls()] == [1]
    assert storing.store_interactions() == 3
    assert not PulseCall.objects.exists()


def test_wrong_interaction_is_named_and_nothing_kept(brand: Brand) -> None:
    answer = post(brand, {"interactions": [*told(2), {"id": "x"}], "more": 1})
    again = post(brand, {"interactions": [*told(2), {"id": "x"}]})

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["more"])
    assert list(again.json()["errors"]) == ["interactions.2.kind", "interactions.2.occurred_at"]
    assert not PulseCall.objects.exists()


def test_key_needs_the_scope(brand: Brand) -> None:
    assert post(brand, {"interactions": told(1)}, scope=Scope.CONTACTS_WRITE).status_code == 403


def test_body_may_be_larger_than_others_and_not_too_large(brand: Brand, settings: Any) -> None:
    settings.API_BODY_BYTES = 1_000
    settings.PULSE_BODY_BYTES = 20_000

    assert post(brand, {"interactions": told(100)}).status_code == 202
    assert post(brand, {"interactions": told(500)}).status_code == 413


def test_nothing_is_taken_above_the_watermark(brand: Brand, settings: Any) -> None:
    settings.PULSE_WATERMARK_ROWS = 5
    post(brand, {"interactions": told(5)})

    refused = post(brand, {"interactions": told(1, start=5)})
    storing.store_interactions()
    taken = post(brand, {"interactions": told(1, start=5)})

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert refused.json()["name"] == "service_unavailable"
    assert taken.status_code == 202


def test_people_are_found_by_id_and_by_address_in_the_brand_only(brand: Brand) -> None:
    ada = ContactFactory.create(brand=brand, email="ada@people.example")
    eve: Contact = ContactFactory.create(email="eve@people.example")
    taking.take(
        brand_id=brand.pk,
        interactions=[
            *told(1, contact=ada.pk),
            *told(1, start=1, email="Ada@people.example"),
            *told(1, start=2, contact=eve.pk),
            *told(1, start=3, email="eve@people.example"),
            *told(1, start=4),
        ],
    )

    storing.store_interactions()

    found = Interaction.objects.order_by("event_id").values_list("contact_id", flat=True)
    assert list(found) == [ada.pk, ada.pk, None, None, None]


def test_event_told_twice_counts_once_per_brand(brand: Brand) -> None:
    other = BrandFactory.create()
    for one in (brand, brand, other):
        taking.take(brand_id=one.pk, interactions=[*told(2), *told(1)])

    assert storing.store_interactions() == 4
    assert Interaction.objects.filter(brand=brand).count() == 2


def test_month_without_a_partition_gets_one(brand: Brand) -> None:
    long_ago = (NOW - timedelta(days=200)).isoformat()
    taking.take(brand_id=brand.pk, interactions=told(1) + told(1, start=1, occurred_at=long_ago))

    assert storing.store_interactions() == 2


@pytest.fixture
def refusing() -> None:
    """A table that refuses what the door let through."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE newsletter_interaction ADD CONSTRAINT picky CHECK (kind <> 'poison')"
        )


@pytest.mark.usefixtures("refusing")
def test_bad_row_is_put_aside_and_the_others_are_kept(brand: Brand) -> None:
    taking.take(brand_id=brand.pk, interactions=told(10))
    rows = told(21, start=10)
    rows[7]["kind"] = "poison"
    taking.take(brand_id=brand.pk, interactions=rows)

    stored = storing.store_interactions()

    letter = DeadLetter.objects.get()
    aside = PulseCall.objects.get()
    assert stored == 30
    assert (aside.state, aside.rows, aside.pk) == ("dead", 1, letter.subject_id)
    assert (letter.reason, letter.brand_id) == ("interactions_refused", brand.pk)


@pytest.mark.usefixtures("refusing")
def test_dead_letter_is_driven_again_once_the_cause_is_gone(brand: Brand) -> None:
    taking.take(brand_id=brand.pk, interactions=told(1, kind="poison"))
    storing.store_interactions()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE newsletter_interaction DROP CONSTRAINT picky")

    dead_letters.redrive(letter_id=DeadLetter.objects.get().pk, by="test")

    assert storing.store_interactions() == 1
    assert not PulseCall.objects.exists()


def test_failing_call_is_tried_again_then_buried(
    brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking.take(brand_id=brand.pk, interactions=told(2))
    monkeypatch.setattr(storing, "_INSERT", "SELECT 1 / 0 FROM no_table WHERE %(brands)s IS NULL")
    waits = []
    for _ in range(storing.ATTEMPTS):
        storing.store_interactions()
        waits.append(PulseCall.objects.get().due_at > datetime.now(tz=UTC))
        PulseCall.objects.update(due_at=NOW)

    letters.bury_spent(attempts=storing.ATTEMPTS)

    assert waits == [True, True, True, True, False]
    assert (PulseCall.objects.get().state, DeadLetter.objects.get().attempts) == ("dead", 5)
    assert not list(storing.due_calls())


def test_lost_lease_stores_nothing(brand: Brand, settings: Any) -> None:
    settings.PULSE_LEASE_SECONDS = -1
    taking.take(brand_id=brand.pk, interactions=told(2))
    slow, quick = storing.claim(), storing.claim()

    assert (storing.store(slow), storing.store(quick)) == (0, 2)


def test_workers_that_die_at_a_call_cost_it_its_attempts(brand: Brand, settings: Any) -> None:
    settings.PULSE_LEASE_SECONDS = -1
    taking.take(brand_id=brand.pk, interactions=told(2))
    for _ in range(storing.ATTEMPTS):
        assert storing.claim()

    assert not storing.claim()
    assert letters.bury_spent(attempts=storing.ATTEMPTS) == 1
    assert DeadLetter.objects.get().reason == "attempts_spent"


def test_calls_are_stored_together_up_to_a_bound(brand: Brand) -> None:
    for n in range(6):
        taking.take(brand_id=brand.pk, interactions=told(10, start=10 * n))

    assert [len(storing.claim(rows=25)), len(storing.claim(rows=25))] == [3, 3]
