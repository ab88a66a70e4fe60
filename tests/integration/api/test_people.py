"""Contacts, topics and suppressions by API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from apps.contacts import suppressing
from apps.contacts.models import (
    ConsentRecord,
    Contact,
    ContactStatus,
    Suppression,
    SuppressionOrigin,
    SuppressionReason,
)
from tests.factories.contacts import ContactFactory, SuppressionFactory, TopicFactory

if TYPE_CHECKING:
    from tests.integration.api.conftest import Caller, House

pytestmark = pytest.mark.django_db

OTTO = {"email": "Otto@People.example", "first_name": "Otto", "traits": {"plan": "pro", "age": 40}}


class TestContacts:
    def test_new_contact_is_made_with_evidence(self, shop: Caller, house: House) -> None:
        TopicFactory.create(brand=house.brand, slug="weekly")

        answer = shop.post(
            "contacts", {**OTTO, "topics": ["weekly"], "text_shown": "Yes, write to me"}
        )

        assert answer.status == 201
        assert (answer.body["object"], answer.body["status"]) == ("contact", "subscribed")
        assert [one["topic"] for one in answer.body["topics"]] == ["weekly"]
        record = ConsentRecord.objects.filter(contact=answer.body["id"]).first()
        assert record is not None
        assert (record.source, record.text_shown) == ("api", "Yes, write to me")
        assert record.detail.startswith("key:")

    def test_known_contact_is_merged_and_stays_unsubscribed(self, shop: Caller) -> None:
        first = shop.post("contacts", OTTO).body
        shop.post(f"contacts/{first['id']}/unsubscribe")

        again = shop.post(
            "contacts", {"email": "otto@people.example", "traits": {"age": None, "city": "Ulm"}}
        )

        assert (again.status, again.body["id"]) == (200, first["id"])
        assert again.body["traits"] == {"plan": "pro", "city": "Ulm"}
        assert (again.body["first_name"], again.body["status"]) == ("Otto", "unsubscribed")

    def test_details_are_changed_one_by_one(self, shop: Caller, house: House) -> None:
        path = f"contacts/{house.ids['contacts']}"

        answer = shop.patch(path, {"locale": "de-at", "timezone": "Europe/Vienna"})

        assert answer.status == 200
        assert (answer.body["locale"], answer.body["first_name"]) == ("de-at", "alpha")
        assert shop.patch(path, {"email": "new@people.example"}).status == 422

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"email": "no address"}, "email"),
            ({**OTTO, "timezone": "Mars/Base"}, "timezone"),
            ({**OTTO, "locale": "??"}, "locale"),
            ({**OTTO, "traits": {"": 1}}, "traits"),
            ({**OTTO, "traits": {"note": "x" * 100_000}}, "traits"),
            ({**OTTO, "traits": []}, "traits"),
            ({**OTTO, "status": "unsubscribed"}, "status"),
            ({**OTTO, "topics": ["unknown"]}, "topics"),
        ],
    )
    def test_wrong_field_is_named(self, shop: Caller, body: dict[str, object], field: str) -> None:
        answer = shop.post("contacts", body)

        assert answer.status == 422
        assert set(answer.body["errors"]) == {field}
        assert not Contact.objects.filter(address="otto@people.example").exists()

    def test_erased_person_is_neither_shown_nor_taken_back(
        self, shop: Caller, house: House
    ) -> None:
        contact = Contact.objects.get(pk=house.ids["contacts"])
        suppressing.suppress(
            address=contact.address,
            reason=SuppressionReason.ERASED,
            origin=SuppressionOrigin.PERSON,
            now=timezone.now(),
        )

        assert shop.get(f"contacts/{contact.pk}").status == 404
        assert shop.get("contacts").body["data"] == []
        assert shop.post("contacts", {"email": contact.email}).status == 409

    def test_topics_are_chosen_as_the_person_asked(self, shop: Caller, house: House) -> None:
        path = f"contacts/{house.ids['contacts']}/topics"

        answer = shop.post(path, {"topic": "alpha-news", "state": "opt_out"})

        assert [one["state"] for one in answer.body["topics"]] == ["opt_out"]
        assert shop.post(path, {"topic": "unknown", "state": "opt_in"}).status == 422

    def test_lists_are_narrowed_down(self, shop: Caller, house: House) -> None:
        pending = ContactFactory.create(brand=house.brand, status=ContactStatus.PENDING)

        def found(query: str) -> list[int]:
            return [one["id"] for one in shop.get(f"contacts?{query}").body["data"]]

        assert found("status=pending") == [pending.pk]
        assert found("email=ANNA@alpha.example") == [house.ids["contacts"]]
        assert found("topic=alpha-news") == [house.ids["contacts"]]
        assert found("topic=alpha-news&status=pending") == []
        assert shop.get("contacts?status=gone").status == 422
        assert shop.get("contacts?email=none").status == 422

    def test_list_costs_the_same_for_many(
        self, shop: Caller, house: House, django_assert_max_num_queries: object
    ) -> None:
        ContactFactory.create_batch(30, brand=house.brand)

        with django_assert_max_num_queries(5):  # type: ignore[operator]
            shop.get("contacts?limit=100")


class TestTopics:
    def test_topic_is_made_and_changed(self, shop: Caller) -> None:
        made = shop.post("topics", {"slug": "weekly", "name": "Weekly"}).body

        changed = shop.patch(f"topics/{made['id']}", {"name": "Every week", "is_public": False})

        assert made["is_public"] is True
        assert (changed.body["name"], changed.body["slug"]) == ("Every week", "weekly")
        assert shop.get(f"topics/{made['id']}").body == changed.body

    def test_slug_is_there_once(self, shop: Caller) -> None:
        assert shop.post("topics", {"slug": "alpha-news", "name": "x"}).status == 409

    def test_slug_stays(self, shop: Caller, house: House) -> None:
        assert shop.patch(f"topics/{house.ids['topics']}", {"slug": "x"}).status == 422


class TestSuppressions:
    def test_address_is_blocked_for_the_brand_once(self, shop: Caller, house: House) -> None:
        first = shop.post("suppressions", {"email": "Spam@Trap.example"})
        again = shop.post("suppressions", {"email": "spam@trap.example"})

        assert (first.status, again.status) == (201, 200)
        assert again.body["id"] == first.body["id"]
        assert (first.body["reason"], first.body["for_all_brands"]) == ("blocked", False)
        assert Suppression.objects.get(pk=first.body["id"]).brand_id == house.brand.pk

    def test_block_is_lifted_with_a_note(self, shop: Caller, house: House) -> None:
        path = f"suppressions/{house.ids['suppressions']}/lift"

        assert shop.post(path, {}).status == 422
        answer = shop.post(path, {"note": "They wrote to us"})

        assert answer.status == 200
        assert answer.body["lifted_at"] is not None
        assert shop.get("suppressions?active=true").body["data"] == []
        assert len(shop.get("suppressions?active=false").body["data"]) == 1

    def test_hard_bounce_is_shown_for_the_brands_own_people_only(
        self, shop: Caller, house: House
    ) -> None:
        own = SuppressionFactory.create(address="anna@alpha.example")
        SuppressionFactory.create(address="stranger@people.example")

        found = shop.get("suppressions?reason=hard_bounce").body["data"]

        assert [one["id"] for one in found] == [own.pk]
        assert found[0]["for_all_brands"] is True

    def test_hard_bounce_is_a_persons_business(self, shop: Caller) -> None:
        bounce = SuppressionFactory.create(address="anna@alpha.example")

        answer = shop.post(f"suppressions/{bounce.pk}/lift", {"note": "please"})

        assert answer.status == 409
        assert Suppression.objects.get(pk=bounce.pk).lifted_at is None
