"""A person is removed, and stays removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.contacts import digests, erasing, subscribing, suppressing
from apps.contacts.errors import ErasedAddressError, ErasedContactError, UnknownContactError
from apps.contacts.models import (
    ConsentSource,
    Contact,
    Suppression,
    SuppressionOrigin,
    SuppressionReason,
)
from apps.contacts.subscribing import Evidence
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ConsentRecordFactory, ContactFactory
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


def erase(contact: Contact) -> int:
    return erasing.erase_person(contact_id=contact.pk, origin=SuppressionOrigin.PERSON, now=NOW)


def test_address_names_and_traits_go_and_a_digest_stays(brand: Brand) -> None:
    contact = ContactFactory.create(
        brand=brand,
        email="Anna@people.example",
        locale="de",
        timezone="Europe/Berlin",
        traits={"city": "Graz"},
    )
    suppressing.suppress(
        address=contact.address,
        reason=SuppressionReason.HARD_BOUNCE,
        origin=SuppressionOrigin.PROVIDER,
        now=NOW,
    )
    record = ConsentRecordFactory.create(contact=contact)

    erased = erase(contact)

    contact.refresh_from_db()
    kept = [contact.email, contact.address, contact.first_name, contact.last_name]
    assert erased == 1
    assert not any("anna" in text.lower() for text in kept)
    assert (contact.locale, contact.timezone, contact.traits) == ("", "", {})
    assert contact.erased_at == NOW
    assert [one.reason for one in Suppression.objects.all()] == [SuppressionReason.ERASED]
    assert Suppression.objects.get().address is None
    assert digests.find_erased(["anna@people.example"]) == {"anna@people.example"}
    record.refresh_from_db()


def test_all_brands_lose_the_person(brand: Brand) -> None:
    here = ContactFactory.create(brand=brand, email="anna@people.example")
    there = ContactFactory.create(brand=BrandFactory.create(), email="anna@people.example")

    knowing = erasing.brand_ids_knowing("anna@people.example")
    erased = erase(here)

    there.refresh_from_db()
    assert sorted(knowing) == [brand.pk, there.brand_id]
    assert erased == 2
    assert there.erased_at is not None
    assert erasing.is_emptied(there)


def test_erased_person_cannot_be_subscribed_again(brand: Brand) -> None:
    erase(ContactFactory.create(brand=brand, email="anna@people.example"))
    proof = Evidence(source=ConsentSource.FORM, occurred_at=NOW)

    with pytest.raises(ErasedAddressError):
        subscribing.subscribe(brand_id=brand.pk, email="anna@people.example", evidence=proof)


def test_second_erasure_is_told(brand: Brand) -> None:
    contact = ContactFactory.create(brand=brand)
    erase(contact)

    with pytest.raises(ErasedContactError):
        erase(contact)


def test_unknown_contact_is_told(brand: Brand) -> None:
    with pytest.raises(UnknownContactError):
        erasing.erase_person(contact_id=1, origin=SuppressionOrigin.PERSON, now=NOW)
