"""Each rule that the database keeps: what it lets pass, and what it refuses by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction

from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    Contact,
    FileImport,
    Suppression,
    SuppressionReason,
    TopicState,
)
from tests.factories.brands import BrandFactory
from tests.factories.contacts import (
    ConsentRecordFactory,
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
DIGEST = b"d" * 32


def refused_by(constraint: str, make: Callable[[], object]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make()


def test_address_is_unique_per_brand_only(brand: Brand) -> None:
    ContactFactory.create(brand=brand, email="a@people.example")

    ContactFactory.create(email="a@people.example")

    refused_by(
        "contact_once_per_brand",
        lambda: ContactFactory.create(brand=brand, email="A@people.example"),
    )


@pytest.mark.parametrize(
    "address", ["A@people.example", "a@münchen.de", "a b@people.example", "a@b@c.example", "a", ""]
)
def test_address_has_its_look_up_form(address: str) -> None:
    refused_by(
        "contact_address_form", lambda: ContactFactory.create(email="x@y.example", address=address)
    )


def test_status_is_known() -> None:
    refused_by("contact_status_known", lambda: ContactFactory.create(status="gone"))


@pytest.mark.parametrize("traits", [[], "text", 3])
def test_traits_are_an_object(traits: object) -> None:
    ContactFactory.create(traits={"plan": "pro"})

    refused_by("contact_traits_are_object", lambda: ContactFactory.create(traits=traits))


def test_topic_slug_is_unique_per_brand_and_not_empty(brand: Brand) -> None:
    TopicFactory.create(brand=brand, slug="news")
    TopicFactory.create(slug="news")

    refused_by("topic_slug_once_per_brand", lambda: TopicFactory.create(brand=brand, slug="news"))
    refused_by("topic_has_slug", lambda: TopicFactory.create(slug=""))


def test_contact_has_one_word_on_each_topic() -> None:
    said = TopicSubscriptionFactory.create()
    TopicSubscriptionFactory.create(topic=said.topic)

    refused_by(
        "topic_once_per_contact",
        lambda: TopicSubscriptionFactory.create(
            contact=said.contact, topic=said.topic, state=TopicState.OPT_OUT
        ),
    )
    refused_by("topic_state_known", lambda: TopicSubscriptionFactory.create(state="maybe"))


def test_consent_names_a_topic_exactly_where_it_is_about_one() -> None:
    topic = TopicFactory.create()
    ConsentRecordFactory.create(kind=ConsentKind.TOPIC_OPT_IN, topic=topic)

    for kind, about in ((ConsentKind.TOPIC_OPT_OUT, None), (ConsentKind.IMPORTED, topic)):
        refused_by(
            "consent_topic_with_topic_kinds_only",
            partial(ConsentRecordFactory.create, kind=kind, topic=about),
        )


def test_consent_kind_and_source_are_known() -> None:
    refused_by("consent_kind_known", lambda: ConsentRecordFactory.create(kind="guessed"))
    refused_by("consent_source_known", lambda: ConsentRecordFactory.create(source="rumour"))


def test_consent_record_is_never_changed_but_goes_with_its_contact() -> None:
    record = ConsentRecordFactory.create(text_shown="Yes, write to me")

    refused_by(
        "consent_record_is_append_only",
        lambda: ConsentRecord.objects.filter(pk=record.pk).update(text_shown="Yes to all"),
    )
    record.contact.delete()
    assert not ConsentRecord.objects.exists()


def test_active_suppression_is_unique_for_address_scope_and_reason(brand: Brand) -> None:
    address = "a@people.example"
    blocked = SuppressionReason.BLOCKED
    SuppressionFactory.create(address=address, reason=blocked)
    SuppressionFactory.create(address=address, reason=blocked, brand=brand)
    SuppressionFactory.create(address=address)
    SuppressionFactory.create(address=address, reason=blocked, lifted_at=NOW, lifted_by="me")

    for again in (None, brand):
        refused_by(
            "suppression_active_address",
            partial(SuppressionFactory.create, address=address, reason=blocked, brand=again),
        )


ERASED: dict[str, Any] = {"reason": SuppressionReason.ERASED, "address": None}


def test_erased_person_leaves_one_digest_and_no_address() -> None:
    SuppressionFactory.create(**ERASED, address_digest=DIGEST, digest_version=1)

    refused_by(
        "suppression_active_digest",
        lambda: SuppressionFactory.create(**ERASED, address_digest=DIGEST, digest_version=1),
    )


@pytest.mark.parametrize(
    "facts",
    [
        ERASED,
        {**ERASED, "address_digest": DIGEST},
        {**ERASED, "address": "a@people.example", "address_digest": DIGEST, "digest_version": 1},
        {"address": None},
        {"address": None, "address_digest": DIGEST, "digest_version": 1},
        {"address_digest": DIGEST, "digest_version": 1},
    ],
)
def test_digest_stands_for_erased_people_and_nobody_else(facts: dict[str, Any]) -> None:
    refused_by("suppression_erased_keeps_digest_only", lambda: SuppressionFactory.create(**facts))


def test_scope_fits_the_reason(brand: Brand) -> None:
    SuppressionFactory.create(reason=SuppressionReason.COMPLAINT, brand=brand)

    for facts in (
        {"reason": SuppressionReason.HARD_BOUNCE, "brand": brand},
        {"reason": SuppressionReason.COMPLAINT, "brand": None},
        {**ERASED, "address_digest": DIGEST, "digest_version": 1, "brand": brand},
        {"reason": "mood", "brand": None},
    ):
        refused_by(
            "suppression_scope_fits_reason",
            partial(SuppressionFactory.create, **facts),
        )


def test_suppression_is_lifted_by_somebody_at_some_time() -> None:
    for facts in ({"lifted_at": NOW}, {"lifted_by": "me"}):
        refused_by(
            "suppression_lifted_by_somebody_at_some_time",
            partial(SuppressionFactory.create, **facts),
        )


def test_suppressed_address_has_its_look_up_form_and_a_known_origin() -> None:
    refused_by(
        "suppression_address_form", lambda: SuppressionFactory.create(address="A@people.example")
    )
    refused_by("suppression_origin_known", lambda: SuppressionFactory.create(origin="rumour"))


def make_import(brand: Brand, **facts: Any) -> FileImport:
    return FileImport.objects.create(
        **{
            "brand": brand,
            "file_name": "people.csv",
            "file_digest": "f" * 64,
            "file_bytes": 100,
            "options": {},
            "options_digest": "o" * 64,
            **facts,
        }
    )


def test_file_is_imported_once_at_a_time(brand: Brand) -> None:
    make_import(brand, state="finished", finished_at=NOW)
    make_import(brand)
    make_import(brand, options_digest="p" * 64)

    refused_by("import_unfinished_once", lambda: make_import(brand, state="merged"))


def test_import_moves_inside_its_file_and_ends_when_it_is_over(brand: Brand) -> None:
    refused_by("import_offset_inside_file", lambda: make_import(brand, byte_offset=101))
    refused_by("import_ended_at_when_over", lambda: make_import(brand, state="finished"))
    refused_by("import_ended_at_when_over", lambda: make_import(brand, finished_at=NOW))
    refused_by("import_ended_at_when_over", lambda: make_import(brand, state="lost"))


def test_contacts_of_a_brand_are_paged_by_id(brand: Brand) -> None:
    ContactFactory.create()
    people = ContactFactory.create_batch(5, brand=brand)

    page = Contact.objects.page(brand_id=brand.pk, after_id=people[0].pk, size=2)

    assert list(page) == people[1:3]


def test_active_suppressions_of_a_brand_are_its_own_and_everybodys(brand: Brand) -> None:
    for_all = SuppressionFactory.create()
    own = SuppressionFactory.create(reason=SuppressionReason.COMPLAINT, brand=brand)
    SuppressionFactory.create(reason=SuppressionReason.COMPLAINT, brand=BrandFactory.create())
    SuppressionFactory.create(lifted_at=NOW, lifted_by="me")

    assert set(Suppression.objects.holding_for(brand.pk)) == {for_all, own}
