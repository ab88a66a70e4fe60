"""People added and edited by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apps.contacts import editing, suppressing
from apps.contacts.editing import Details
from apps.contacts.errors import (
    ContactExistsError,
    ErasedAddressError,
    ErasedContactError,
    InvalidFieldError,
    UnknownContactError,
)
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    ConsentSource,
    Contact,
    ContactStatus,
    SuppressionOrigin,
    SuppressionReason,
    TopicState,
)
from apps.contacts.subscribing import Evidence
from tests.factories.contacts import ContactFactory, TopicFactory
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
TOLD = Evidence(
    source=ConsentSource.OPERATOR, occurred_at=NOW, detail="user:1 anna", text_shown="by phone"
)


def add(brand: Brand, email: str = "Anna@people.example", **details: Any) -> int:
    return editing.add_contact(
        brand_id=brand.pk, email=email, details=Details(**details), evidence=TOLD, pending=False
    )


def test_added_contact_has_details_and_evidence(brand: Brand) -> None:
    contact_id = add(brand, first_name=" Anna  Maria ", locale="de_AT", traits={"city": "Graz"})

    contact = Contact.objects.get(pk=contact_id)
    assert (contact.email, contact.address) == ("Anna@people.example", "anna@people.example")
    assert (contact.first_name, contact.locale) == ("Anna Maria", "de-AT")
    assert contact.traits == {"city": "Graz"}
    assert contact.status == ContactStatus.SUBSCRIBED
    record = ConsentRecord.objects.get(contact=contact)
    assert (record.kind, record.text_shown) == (ConsentKind.SUBSCRIBED, "by phone")


def test_adding_somebody_who_left_does_not_bring_them_back(brand: Brand) -> None:
    left = ContactFactory.create(
        brand=brand, email="anna@people.example", status=ContactStatus.UNSUBSCRIBED
    )

    with pytest.raises(ContactExistsError) as caught:
        add(brand)

    left.refresh_from_db()
    assert caught.value.contact_id == left.pk
    assert left.status == ContactStatus.UNSUBSCRIBED
    assert not ConsentRecord.objects.exists()


def test_erased_person_is_not_added(brand: Brand) -> None:
    suppressing.suppress(
        address="anna@people.example",
        reason=SuppressionReason.ERASED,
        origin=SuppressionOrigin.PERSON,
        now=NOW,
    )

    with pytest.raises(ErasedAddressError):
        add(brand)

    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"first_name": "x" * 151}, "first_name"),
        ({"locale": "not a tag"}, "locale"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"traits": {"x" * 65: "1"}}, "traits"),
        ({"traits": {"long": "x" * 4097}}, "traits"),
        ({"traits": {f"t{n}": "x" * 4000 for n in range(20)}}, "traits"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_field(
    brand: Brand, details: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        add(brand, **details)

    assert caught.value.field == field
    assert not Contact.objects.exists()


def test_edit_tells_whether_it_changed_anything(brand: Brand) -> None:
    contact = ContactFactory.create(brand=brand, first_name="Anna", last_name="")
    details = Details(first_name="Bert", traits={"visits": 3})

    first = editing.edit_contact(contact_id=contact.pk, details=details, now=NOW)
    second = editing.edit_contact(contact_id=contact.pk, details=details, now=NOW)

    contact.refresh_from_db()
    assert (first, second) == (True, False)
    assert (contact.first_name, contact.traits, contact.updated_at) == (
        "Bert",
        {"visits": 3},
        NOW,
    )


def test_erased_contact_is_not_edited(brand: Brand) -> None:
    contact = ContactFactory.create(brand=brand, erased_at=NOW)

    with pytest.raises(ErasedContactError):
        editing.edit_contact(contact_id=contact.pk, details=Details(first_name="A"), now=NOW)


def test_contact_that_is_gone_is_not_edited(brand: Brand) -> None:
    with pytest.raises(UnknownContactError):
        editing.edit_contact(contact_id=1, details=Details(), now=NOW)


def test_topic_is_opted_in_to_and_left_with_evidence(brand: Brand) -> None:
    contact, topic = ContactFactory.create(brand=brand), TopicFactory.create(brand=brand)

    for state in (TopicState.OPT_IN, TopicState.OPT_OUT, TopicState.OPT_OUT):
        editing.set_topic(contact_id=contact.pk, topic_id=topic.pk, state=state, evidence=TOLD)

    assert editing.topic_states(contact.pk) == {topic.pk: TopicState.OPT_OUT}
    kinds = ConsentRecord.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == [ConsentKind.TOPIC_OPT_IN, ConsentKind.TOPIC_OPT_OUT]
