"""A pause: commercial mail rests until then, nothing else changes, and it ends by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.contacts import subscribing
from apps.contacts.eligibility import MailClass, SkipReason, blocked_addresses
from apps.contacts.models import ConsentKind, ConsentRecord, ConsentSource, Contact, ContactStatus
from apps.contacts.subscribing import Evidence
from tests.factories.contacts import ContactFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def contact() -> Contact:
    return ContactFactory.create(status=ContactStatus.SUBSCRIBED)


def evidence() -> Evidence:
    return Evidence(source=ConsentSource.PREFERENCES, occurred_at=timezone.now())


def kinds(contact: Contact) -> list[str]:
    return list(
        ConsentRecord.objects.filter(contact=contact).order_by("pk").values_list("kind", flat=True)
    )


def test_pause_rests_commercial_mail_and_ends_by_itself(contact: Contact) -> None:
    until = timezone.now() + timedelta(days=30)

    assert subscribing.pause(contact_id=contact.pk, until=until, evidence=evidence())

    during = blocked_addresses([contact.address], contact.brand, MailClass.COMMERCIAL)
    other = blocked_addresses([contact.address], contact.brand, MailClass.TRANSACTIONAL)
    Contact.objects.filter(pk=contact.pk).update(paused_until=timezone.now())
    after = blocked_addresses([contact.address], contact.brand, MailClass.COMMERCIAL)
    assert (during, other, after) == ({contact.address: SkipReason.PAUSED}, {}, {})
    contact.refresh_from_db()
    assert contact.status == ContactStatus.SUBSCRIBED


def test_pause_and_its_end_are_kept_with_the_consent_once(contact: Contact) -> None:
    until = timezone.now() + timedelta(days=30)

    done = [
        subscribing.pause(contact_id=contact.pk, until=until, evidence=evidence()),
        subscribing.pause(contact_id=contact.pk, until=until, evidence=evidence()),
        subscribing.end_pause(contact_id=contact.pk, evidence=evidence()),
        subscribing.end_pause(contact_id=contact.pk, evidence=evidence()),
    ]

    assert done == [True, False, True, False]
    assert kinds(contact) == [ConsentKind.PAUSED, ConsentKind.RESUMED]


def test_who_joins_again_has_no_pause(contact: Contact) -> None:
    Contact.objects.filter(pk=contact.pk).update(
        status=ContactStatus.UNSUBSCRIBED, paused_until=timezone.now() + timedelta(days=30)
    )

    assert subscribing.confirm(contact_id=contact.pk, evidence=evidence())
    assert not subscribing.confirm(contact_id=contact.pk, evidence=evidence())

    contact.refresh_from_db()
    assert (contact.status, contact.paused_until) == (ContactStatus.SUBSCRIBED, None)
    assert kinds(contact) == [ConsentKind.CONFIRMED]
