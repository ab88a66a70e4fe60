from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections, transaction

from apps.contacts import digests, subscribing, suppressing
from apps.contacts.errors import (
    ErasedAddressError,
    InvalidAddressError,
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
    TopicSubscription,
)
from apps.contacts.subscribing import Evidence, Subscribed
from tests.factories.contacts import ContactFactory, TopicFactory, TopicSubscriptionFactory
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from typing import Any

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
LEFT = Evidence(
    ConsentSource.ONE_CLICK, NOW, detail="mailing 12", ip="2001:db8::1", correlation_id="abc"
)
JOINED = Evidence(ConsentSource.FORM, NOW, text_shown="Send me the news")


def subscribe(brand: Brand, email: str = "Anna@people.example", **facts: Any) -> Subscribed:
    return subscribing.subscribe(brand_id=brand.pk, email=email, evidence=JOINED, **facts)


def test_unsubscribing_is_recorded_once_and_leaves_topics(brand: Brand) -> None:
    contact = ContactFactory.create(brand=brand)
    TopicSubscriptionFactory.create(contact=contact)

    first = subscribing.unsubscribe(contact_id=contact.pk, evidence=LEFT)
    again = subscribing.unsubscribe(contact_id=contact.pk, evidence=LEFT)

    contact.refresh_from_db()
    record = ConsentRecord.objects.get()
    assert (first, again) == (True, False)
    assert (contact.status, contact.status_changed_at) == (ContactStatus.UNSUBSCRIBED, NOW)
    assert (record.kind, record.source, record.detail, record.ip, record.correlation_id) == (
        ConsentKind.UNSUBSCRIBED,
        ConsentSource.ONE_CLICK,
        "mailing 12",
        "2001:db8::1",
        "abc",
    )
    assert TopicSubscription.objects.get().state == TopicState.OPT_IN


@pytest.mark.parametrize("known", [True, False])
def test_leaving_a_topic_is_recorded_once_and_keeps_the_subscription(
    brand: Brand, *, known: bool
) -> None:
    contact = ContactFactory.create(brand=brand)
    topic = TopicFactory.create(brand=brand)
    if known:
        TopicSubscriptionFactory.create(contact=contact, topic=topic)

    changes = [
        subscribing.unsubscribe_from_topic(contact_id=contact.pk, topic_id=topic.pk, evidence=LEFT)
        for _ in range(2)
    ]

    contact.refresh_from_db()
    assert changes == [True, False]
    assert TopicSubscription.objects.get().state == TopicState.OPT_OUT
    assert contact.status == ContactStatus.SUBSCRIBED
    assert ConsentRecord.objects.get().topic == topic


def test_unknown_contact_cannot_leave(brand: Brand) -> None:
    topic = TopicFactory.create(brand=brand)

    with pytest.raises(UnknownContactError):
        subscribing.unsubscribe(contact_id=404, evidence=LEFT)
    with pytest.raises(UnknownContactError):
        subscribing.unsubscribe_from_topic(contact_id=404, topic_id=topic.pk, evidence=LEFT)
    assert not ConsentRecord.objects.exists()


def test_subscribing_makes_the_contact_with_its_evidence_once(brand: Brand) -> None:
    first = subscribe(brand)
    again = subscribe(brand, "anna@PEOPLE.example")

    contact = Contact.objects.get()
    assert (first.created, again.created) == (True, False)
    assert (contact.email, contact.address) == ("Anna@people.example", "anna@people.example")
    assert contact.status == ContactStatus.SUBSCRIBED
    assert ConsentRecord.objects.get().text_shown == "Send me the news"


@pytest.mark.parametrize(
    ("before", "pending", "after", "records"),
    [
        (ContactStatus.UNSUBSCRIBED, False, ContactStatus.SUBSCRIBED, 1),
        (ContactStatus.UNSUBSCRIBED, True, ContactStatus.PENDING, 1),
        (ContactStatus.PENDING, False, ContactStatus.SUBSCRIBED, 1),
        (ContactStatus.PENDING, True, ContactStatus.PENDING, 0),
        (ContactStatus.SUBSCRIBED, True, ContactStatus.SUBSCRIBED, 0),
    ],
)
def test_own_wish_changes_the_status_forwards(
    brand: Brand, *, before: ContactStatus, pending: bool, after: ContactStatus, records: int
) -> None:
    earlier = NOW - timedelta(days=1)
    contact = ContactFactory.create(
        brand=brand, email="anna@people.example", status=before, status_changed_at=earlier
    )

    subscribed = subscribe(brand, pending=pending)

    contact.refresh_from_db()
    assert (subscribed.status, contact.status) == (after, after)
    assert contact.status_changed_at == (NOW if records else earlier)
    assert ConsentRecord.objects.count() == records


def test_own_wish_opts_in_to_topics_left_before(brand: Brand) -> None:
    left, new = TopicFactory.create_batch(2, brand=brand)
    contact = ContactFactory.create(brand=brand, email="anna@people.example")
    TopicSubscriptionFactory.create(contact=contact, topic=left, state=TopicState.OPT_OUT)

    subscribe(brand, topic_ids=[left.pk, new.pk])
    subscribe(brand, topic_ids=[left.pk, new.pk])

    assert TopicSubscription.objects.filter(state=TopicState.OPT_IN).count() == 2
    assert ConsentRecord.objects.filter(kind=ConsentKind.TOPIC_OPT_IN).count() == 2


def test_unusable_and_erased_addresses_do_not_join(brand: Brand) -> None:
    suppressing.suppress(
        address="anna@people.example",
        reason=SuppressionReason.ERASED,
        origin=SuppressionOrigin.PERSON,
        now=NOW,
    )

    with pytest.raises(InvalidAddressError):
        subscribe(brand, "nonsense")
    with pytest.raises(ErasedAddressError):
        subscribe(brand)
    assert not Contact.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_person_who_is_being_erased_cannot_join_meanwhile(brand: Brand) -> None:
    outcome: list[type[Exception] | None] = []

    def join() -> None:
        try:
            subscribe(brand)
            outcome.append(None)
        except ErasedAddressError:
            outcome.append(ErasedAddressError)
        finally:
            connections.close_all()

    other = threading.Thread(target=join)
    with transaction.atomic():
        suppressing.suppress(
            address="anna@people.example",
            reason=SuppressionReason.ERASED,
            origin=SuppressionOrigin.PERSON,
            now=NOW,
        )
        other.start()
        for _ in range(1000):
            if is_somebody_waiting() or outcome:
                break
            threading.Event().wait(0.01)
    other.join(10)

    assert outcome == [ErasedAddressError]


@pytest.mark.django_db(transaction=True)
def test_joining_waits_for_no_merge_even_while_somebody_is_being_erased(brand: Brand) -> None:
    erasing = threading.Thread(target=erase_another)
    with transaction.atomic():
        digests.hold_off_erasing()
        erasing.start()
        for _ in range(1000):
            if is_somebody_waiting():
                break
            threading.Event().wait(0.01)

        joined = subscribe(brand)
    erasing.join(10)

    assert joined.created


def erase_another() -> None:
    try:
        suppressing.suppress(
            address="otto@people.example",
            reason=SuppressionReason.ERASED,
            origin=SuppressionOrigin.PERSON,
            now=NOW,
        )
    finally:
        connections.close_all()


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
