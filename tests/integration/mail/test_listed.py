"""Mailings to which people are added one by one: once each, with reasons, in batches."""

from __future__ import annotations

import pytest

from apps.contacts.eligibility import MailClass
from apps.contacts.models import Contact
from apps.mail import listed, mailings, results
from apps.mail.models import Batch, Mailing, Message
from tests.factories.brands import SenderFactory
from tests.factories.contacts import ContactFactory, SuppressionFactory, TopicFactory
from tests.factories.mail import ContentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing() -> Mailing:
    return listed.open_listed(
        name="Step 1",
        sender=SenderFactory.create(),
        mail_class=MailClass.COMMERCIAL,
        content=ContentFactory.create(),
    )


def people(mailing: Mailing, number: int) -> list[int]:
    made: list[Contact] = ContactFactory.create_batch(number, brand=mailing.brand)
    return [one.pk for one in made]


def test_people_are_added_in_batches_of_a_hundred(mailing: Mailing) -> None:
    added = listed.add(mailing_id=mailing.pk, contact_ids=people(mailing, 250))

    assert (added.planned, added.batches, added.known) == (250, 3, 0)
    assert sorted(Batch.objects.values_list("size", flat=True)) == [50, 100, 100]


def test_adding_somebody_twice_changes_nothing(mailing: Mailing) -> None:
    everybody = people(mailing, 5)
    listed.add(mailing_id=mailing.pk, contact_ids=everybody[:3])

    added = listed.add(mailing_id=mailing.pk, contact_ids=everybody)

    assert (added.planned, added.known) == (2, 3)
    assert Message.objects.of(mailing).count() == 5


def test_who_may_not_be_mailed_gets_a_row_that_says_why(mailing: Mailing) -> None:
    chosen = people(mailing, 2)
    SuppressionFactory.create(address=Contact.objects.get(pk=chosen[0]).address)

    added = listed.add(mailing_id=mailing.pk, contact_ids=chosen)

    assert added.skipped == {"hard_bounce": 1}
    assert results.differences(results.progress(mailing), results.results(mailing)) == {}


def test_topics_of_the_mailing_are_asked(mailing: Mailing) -> None:
    mailing.topic_groups = [[TopicFactory.create(brand=mailing.brand).pk]]
    mailing.save()

    added = listed.add(mailing_id=mailing.pk, contact_ids=people(mailing, 1))

    assert added.skipped == {"not_opted_in": 1}


def test_contacts_of_another_brand_are_left_out(mailing: Mailing) -> None:
    added = listed.add(mailing_id=mailing.pk, contact_ids=[ContactFactory.create().pk])

    assert added.planned == 0
    assert not Message.objects.of(mailing).exists()


def test_open_mailing_is_completed_only_after_it_was_finished(mailing: Mailing) -> None:
    assert mailings.close_finished() == []

    listed.finish([mailing.pk])

    assert mailings.close_finished() == [mailing.pk]
