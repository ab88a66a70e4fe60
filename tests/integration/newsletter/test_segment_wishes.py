from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.brands.models import Sender
from apps.newsletter.models import SegmentWish, WishState
from apps.newsletter.segments.wishes import (
    burst_seconds,
    contact_changed,
    is_settled,
    want,
    want_many_sql,
)
from tests.factories.brands import SenderFactory
from tests.factories.contacts import ContactFactory

if TYPE_CHECKING:
    from apps.contacts.models import Contact

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def contact() -> Contact:
    return ContactFactory.create(brand=SenderFactory.create(is_default=True).brand)


def wish(contact: Contact, target: str | None, *, at: datetime = NOON, score: int = 7) -> bool:
    return want(contact_id=contact.pk, target_segment=target, score=score, mode="update", at=at)


def test_first_wish_waits_for_the_burst_at_the_account_of_the_default_sender(
    contact: Contact,
) -> None:
    SenderFactory.create(brand=contact.brand)

    assert wish(contact, "gold")

    row = SegmentWish.objects.get()
    sender = Sender.objects.get(brand=contact.brand, is_default=True)
    assert (row.version, row.done_version, row.target_segment) == (1, 0, "gold")
    assert (row.state, row.account_id) == (WishState.WAITING, sender.account_id)
    assert row.due_at
    assert row.waiting_since
    assert row.due_at - row.waiting_since == timedelta(seconds=burst_seconds())
    assert not is_settled(row)


def test_burst_collapses_and_keeps_its_place(contact: Contact) -> None:
    wish(contact, "gold")
    first = SegmentWish.objects.get()

    for number in range(9):
        wish(contact, f"tier-{number}", at=NOON + timedelta(milliseconds=number + 1))

    row = SegmentWish.objects.get()
    assert (row.version, row.target_segment) == (10, "tier-8")
    assert (row.waiting_since, row.due_at) == (first.waiting_since, first.due_at)


def test_older_wish_that_commits_later_does_not_win(contact: Contact) -> None:
    wish(contact, "gold", at=NOON)

    assert not wish(contact, "silver", at=NOON - timedelta(microseconds=1))

    row = SegmentWish.objects.get()
    assert (row.version, row.target_segment, row.wished_at) == (1, "gold", NOON)


def test_of_two_wishes_at_one_time_the_later_version_wins(contact: Contact) -> None:
    wish(contact, "gold", at=NOON)

    assert wish(contact, None, at=NOON)

    row = SegmentWish.objects.get()
    assert (row.version, row.target_segment) == (2, None)


def test_wish_of_the_future_does_not_outlast_the_next(contact: Contact) -> None:
    now = datetime.now(tz=UTC)
    wish(contact, "gold", at=now + timedelta(days=1))

    assert wish(contact, "silver", at=now + timedelta(seconds=5))


def test_wish_for_somebody_unknown_or_erased_is_none(contact: Contact) -> None:
    contact.erased_at = NOON
    contact.save()

    assert not wish(contact, "gold")
    assert not want(contact_id=0, target_segment=None, score=0, mode="update", at=NOON)
    assert not contact_changed(contact_id=0)


def test_wish_during_a_call_leaves_the_call_alone(contact: Contact) -> None:
    wish(contact, "gold")
    SegmentWish.objects.update(state="working", lease_until=NOON, fence=4)

    wish(contact, "silver", at=NOON + timedelta(seconds=1))

    row = SegmentWish.objects.get()
    assert (row.state, row.lease_until, row.fence) == (WishState.WORKING, NOON, 4)


def test_wish_after_giving_up_gets_new_attempts(contact: Contact) -> None:
    wish(contact, "gold")
    SegmentWish.objects.update(state="dead", attempts=3, throttles=9, failing_since=NOON)

    wish(contact, "gold", at=NOON + timedelta(seconds=1))

    row = SegmentWish.objects.get()
    assert (row.state, row.attempts, row.throttles) == (WishState.WAITING, 0, 0)
    assert row.failing_since is None


def test_brand_that_moved_to_another_account_starts_there_from_nothing(contact: Contact) -> None:
    wish(contact, "gold")
    SegmentWish.objects.update(
        state="working", lease_until=NOON, fence=4, provider_contact_id="c1", known_segments=["a"],
        known_at=NOON, known_unsubscribed=False, known_topics={},
    )  # fmt: skip
    Sender.objects.filter(brand=contact.brand).update(is_default=False)
    moved = SenderFactory.create(brand=contact.brand, is_default=True)

    contact_changed(contact_id=contact.pk)

    row = SegmentWish.objects.get()
    assert (row.account_id, row.state, row.fence) == (moved.account_id, WishState.WAITING, 5)
    assert (row.provider_contact_id, row.known_segments, row.known_at) == ("", None, None)


def test_changed_topics_leave_the_wished_segment_alone(contact: Contact) -> None:
    wish(contact, "gold")

    assert contact_changed(contact_id=contact.pk)

    row = SegmentWish.objects.get()
    assert (row.version, row.topics_version, row.target_segment) == (1, 1, "gold")


def test_contact_without_a_wish_is_told_without_segments(contact: Contact) -> None:
    contact_changed(contact_id=contact.pk)

    row = SegmentWish.objects.get()
    assert (row.version, row.wished_at, row.state) == (0, None, WishState.WAITING)


def test_many_wishes_are_taken_by_the_statement_that_changes_tiers(contact: Contact) -> None:
    others = ContactFactory.create_batch(3, brand=contact.brand)
    wish(contact, "gold", at=NOON)
    source = """SELECT id AS contact_id, 'silver' AS target_segment, 5 AS score,
                       'update' AS mode, %(at)s::timestamptz AS at, 'abc' AS correlation_id
                  FROM contacts_contact"""
    statement = f"WITH wished AS ({want_many_sql(source)}) SELECT count(*) FROM wished"

    with connection.cursor() as cursor:
        cursor.execute(statement, {"burst": 1.0, "at": NOON - timedelta(hours=1)})
        taken = cursor.fetchone()[0]

    assert taken == len(others)
    assert SegmentWish.objects.get(contact=contact).target_segment == "gold"
    assert SegmentWish.objects.filter(target_segment="silver", score=5).count() == len(others)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "odd"},
        {"state": "working"},
        {"state": "waiting", "due_at": None},
        {"done_version": 2},
        {"known_segments": ["a"]},
        {"target_segment": ""},
        {"mode": "odd"},
    ],
)
def test_database_refuses_a_row_that_says_nonsense(
    contact: Contact, changes: dict[str, Any]
) -> None:
    wish(contact, "gold")

    with pytest.raises(IntegrityError), transaction.atomic():
        SegmentWish.objects.update(**changes)


def test_database_allows_no_second_call_for_a_person(contact: Contact) -> None:
    twin = ContactFactory.create(brand=contact.brand)
    wish(contact, "gold")
    wish(twin, "gold")
    SegmentWish.objects.update(person=5)
    SegmentWish.objects.filter(contact=twin).update(state="working", lease_until=NOON)

    with pytest.raises(IntegrityError), transaction.atomic():
        SegmentWish.objects.filter(contact=contact).update(state="working", lease_until=NOON)
