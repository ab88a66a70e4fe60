"""Segment wishes from the row to the provider's log."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.utils import timezone
from structlog.testing import capture_logs
from waffle.models import Switch

from apps.brands.models import ProviderAccount
from apps.contacts import erasing
from apps.contacts.models import SuppressionOrigin
from apps.mail import clients
from apps.newsletter.models import SegmentWish, WishState
from apps.newsletter.segments import branches, settling
from apps.newsletter.segments.claiming import backlog, claim, due_wishes
from apps.newsletter.segments.wishes import contact_changed
from apps.newsletter.segments.working import work_segments
from apps.queues import dead_letters
from apps.queues.flags import Flag
from apps.queues.models import DeadLetter
from apps.sandbox.handle import ResendSandbox
from tests.factories.brands import SenderFactory
from tests.factories.contacts import ContactFactory
from tests.integration.newsletter.segment_house import SegmentHouse, operations, passes_of
from tests.integration.sandbox.talking import KEY, call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

    from apps.contacts.models import Contact

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResendSandbox]:
    with ResendSandbox(
        tmp_path_factory.mktemp("segments"), accounts={"main": KEY}, rate_limit=0
    ) as server:
        yield server


@pytest.fixture
def house(running: ResendSandbox, settings: Settings) -> Iterator[SegmentHouse]:
    running.restore()
    running.reset()
    settings.RESEND_API_URL = running.url
    settings.SEGMENT_MIN_INTERVAL_MS = 20
    settings.SEGMENT_JITTER_MS = 10
    settings.SEGMENT_BURST_MS = 0
    caches["flags"].clear()
    yield SegmentHouse(running)
    clients._limiters.clear()
    clients._breakers.clear()
    caches["flags"].clear()


def switch(flag: Flag, *, on: bool) -> None:
    Switch.objects.filter(name=flag.value).update(active=on)
    caches["flags"].clear()


def test_new_contact_is_one_create_call_with_segment_and_topics(house: SegmentHouse) -> None:
    contact = house.contact()
    topic = house.make_topic(contact, "opt_in")
    house.wish(contact, "gold", mode="initial")
    contact_changed(contact_id=contact.pk)

    house.work()

    [told] = house.told()
    assert (told.operation, told.email) == ("create", contact.address)
    assert (told.segments, told.topics) == ([house.segments["gold"]], {topic: "opt_in"})
    wish = SegmentWish.objects.get()
    assert (wish.state, wish.provider_contact_id) == (WishState.IDLE, told.contact)
    assert (wish.done_version, wish.topics_done_version) == (1, 1)


def test_known_contact_is_listed_once_then_removed_then_added(house: SegmentHouse) -> None:
    house.make_segment("friends")
    contact = house.contact_there("silver", "bronze", "friends")
    house.wish(contact, "gold")

    house.work()

    assert operations(house.told()) == ["create", "list", "remove", "remove", "add"]
    assert house.members_of(contact) == {"gold", "friends"}
    [ended] = passes_of(contact)
    assert (ended.calls, ended.retries, ended.outcome) == (4, 0, "done")
    assert len(ended.segments_before or []) == 3
    assert set(ended.segments_after or []) == {house.segments["gold"], house.segments["friends"]}
    assert (ended.target_segment, ended.score) == (house.segments["gold"], 7)
    assert ended.latency_ms > 0


def test_burst_of_wishes_is_one_pass(house: SegmentHouse) -> None:
    contact = house.contact_there("bronze")
    for name in ("silver", "gold", "bronze", "gold", "silver") * 2:
        house.wish(contact, name)

    house.work()

    assert operations(house.told()[1:]) == ["list", "remove", "add"]
    assert house.members_of(contact) == {"silver"}
    assert len(passes_of(contact)) == 1


def test_wish_that_changes_meanwhile_goes_on_from_the_list_at_hand(house: SegmentHouse) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "silver")
    work_segments(account_id=house.sender.account_id, turn_seconds=0)
    work_segments(account_id=house.sender.account_id, turn_seconds=0.01)

    house.wish(contact, "gold")
    house.work()

    assert operations(house.told("list")) == ["list"]
    assert house.members_of(contact) == {"gold"}
    assert len(passes_of(contact)) == 1


def test_null_removes_all_managed_and_nothing_else(house: SegmentHouse) -> None:
    house.make_segment("friends")
    contact = house.contact_there("silver", "gold", "friends")
    house.wish(contact, None)

    house.work()

    assert house.members_of(contact) == {"friends"}


def test_fresh_knowledge_saves_the_list(house: SegmentHouse, settings: Settings) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "silver")
    house.work()

    house.wish(contact, "gold")
    house.work()
    settings.SEGMENT_KNOWN_FRESH_SECONDS = 0
    house.wish(contact, "gold")
    house.work()

    told = operations(house.told()[1:])
    assert told == ["list", "remove", "add", "remove", "add", "list"]


def test_contact_the_provider_lost_is_made_again(house: SegmentHouse) -> None:
    contact = house.contact()
    house.wish(contact, "gold")

    house.work()

    assert operations(house.told()) == ["list", "create"]
    assert house.members_of(contact) == {"gold"}


def test_contact_that_joined_but_is_there_already_is_listed(house: SegmentHouse) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "gold", mode="initial")

    house.work()

    assert operations(house.told()[1:]) == ["create", "list", "remove", "add"]
    assert house.members_of(contact) == {"gold"}


@pytest.mark.parametrize("status", ["pending", "unsubscribed"])
def test_nobody_is_made_known_who_wants_no_mail(house: SegmentHouse, status: str) -> None:
    contact = house.contact(status=status)
    house.wish(contact, "gold", mode="initial")

    house.work()

    assert house.told() == []


def test_topics_and_leaving_are_one_patch_each(house: SegmentHouse) -> None:
    contact = house.contact()
    house.wish(contact, "gold", mode="initial")
    house.work()
    topic = house.make_topic(contact, "opt_out")
    contact.status = "unsubscribed"
    contact.save()

    contact_changed(contact_id=contact.pk)
    house.work()
    contact_changed(contact_id=contact.pk)
    house.work()

    assert operations(house.told()) == ["create", "update", "topics"]
    told = house.told()[-1]
    assert (told.unsubscribed, told.topics) == (True, {topic: "opt_out"})
    assert told.segments == [house.segments["gold"]]


def test_target_that_nobody_manages_is_given_up_at_once(house: SegmentHouse) -> None:
    house.make_segment("friends")
    contact = house.contact()
    house.wish(contact, "friends")

    house.work()

    assert (house.told(), DeadLetter.objects.get().reason) == ([], "not_managed")


def test_429_runs_again_until_the_budget_is_spent(
    house: SegmentHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = iter([False, False, True])
    monkeypatch.setattr("apps.newsletter.segments.failing.note_429", lambda **_: next(spent))
    monkeypatch.setattr("apps.queues.limiting.Limiter.freeze", lambda *_: None)
    monkeypatch.setattr("apps.mail.resend.Throttled.retry_after_s", 0.05)
    contact = house.contact_there()
    house.wish(contact, "gold")
    house.sandbox.next_contact_fault("429", count=3)

    house.work()

    [letter] = DeadLetter.objects.all()
    assert (letter.reason, letter.subject_id) == ("throttled", contact.pk)
    assert (letter.brand_id, letter.queue) == (house.sender.brand_id, "segments")
    [ended] = passes_of(contact)
    assert (ended.outcome, ended.throttles, ended.calls) == ("dead", 3, 3)
    dead_letters.redrive(letter_id=letter.pk, by="test")
    house.work()
    assert house.members_of(contact) == {"gold"}


def test_attempts_that_are_spent_are_a_dead_letter(house: SegmentHouse) -> None:
    contact = house.contact_there()
    house.wish(contact, "gold")
    house.sandbox.next_contact_fault("503", count=3)

    house.work()

    [letter] = DeadLetter.objects.open()
    assert (letter.reason, letter.attempts) == ("attempts_spent", 3)
    assert SegmentWish.objects.get().state == WishState.DEAD
    house.wish(contact, "silver")
    house.work()
    assert not DeadLetter.objects.open().exists()


@pytest.mark.parametrize("fault", ["500_after", "reset_after", "garbage"])
def test_call_that_may_have_been_made_is_followed_by_a_list(
    house: SegmentHouse, fault: str
) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "gold")
    work_segments(account_id=house.sender.account_id, turn_seconds=0.01)
    house.sandbox.next_contact_fault(fault)

    house.work()

    assert operations(house.told()[1:]) == ["list", "remove", "list", "add"]
    assert house.members_of(contact) == {"gold"}


def test_created_in_doubt_is_found_again(house: SegmentHouse) -> None:
    contact = house.contact()
    house.wish(contact, "gold", mode="initial")
    house.sandbox.next_contact_fault("500_after")

    house.work()

    assert operations(house.told()) == ["create", "create", "list"]
    assert house.members_of(contact) == {"gold"}


def test_worker_that_died_in_a_call_leaves_nothing_known(
    house: SegmentHouse, settings: Settings
) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "silver")
    house.work()
    house.wish(contact, "gold")
    settings.SEGMENT_LEASE_SECONDS = 0
    assert claim(account_id=house.sender.account_id)
    settings.SEGMENT_LEASE_SECONDS = 90

    house.work()

    assert operations(house.told()[4:]) == ["list", "remove", "add"]
    assert house.members_of(contact) == {"gold"}


def test_worker_that_lost_its_lease_changes_nothing(
    house: SegmentHouse, settings: Settings
) -> None:
    contact = house.contact_there()
    house.wish(contact, "gold")
    settings.SEGMENT_LEASE_SECONDS = 0
    slow = claim(account_id=house.sender.account_id)
    settings.SEGMENT_LEASE_SECONDS = 90
    assert slow
    quick = claim(account_id=house.sender.account_id)
    assert quick

    with capture_logs() as logs:
        settling.settle(slow, settling.NO_CALL, finished=True, wait_seconds=0)

    assert [line["event"] for line in logs] == ["segment_fence_lost"]
    wish = SegmentWish.objects.get()
    assert (wish.state, wish.fence, wish.done_version) == (WishState.WORKING, quick.fence, 0)


def test_one_person_of_two_brands_is_one_call_at_a_time(house: SegmentHouse) -> None:
    contact = house.contact()
    sender = SenderFactory.create(is_default=True, account=house.sender.account)
    twin = ContactFactory.create(brand=sender.brand, email=contact.email)
    house.wish(contact, "gold")
    house.wish(twin, None)

    first = claim(account_id=house.sender.account_id)
    second = claim(account_id=house.sender.account_id)

    assert first is not None
    assert first.contact_id == contact.pk
    assert second is None


def test_oldest_wish_is_taken_first(house: SegmentHouse) -> None:
    contacts = [house.contact() for _ in range(3)]
    for contact in reversed(contacts):
        house.wish(contact, "gold")

    taken = [claim(account_id=house.sender.account_id) for _ in contacts]

    assert [one.contact_id for one in taken if one] == [c.pk for c in reversed(contacts)]


def test_refused_key_stops_the_account_and_costs_the_contact_nothing(house: SegmentHouse) -> None:
    ProviderAccount.objects.update(api_key="re_unknown")
    house.sender.account.refresh_from_db()
    contact = house.contact()
    house.wish(contact, "gold")

    assert work_segments(account_id=house.sender.account_id) == 1

    assert not ProviderAccount.objects.active().exists()
    wish = SegmentWish.objects.get()
    assert (wish.state, wish.attempts) == (WishState.WAITING, 0)
    assert list(due_wishes()) == []


def test_sweeper_and_health_are_told_what_is_due(house: SegmentHouse) -> None:
    for _ in range(3):
        house.wish(house.contact(), "gold")
    claim(account_id=house.sender.account_id)

    [due] = due_wishes()

    assert (due.units, due.ids) == (2, {"account_id": house.sender.account_id})
    assert (backlog().due, backlog().in_progress) == (2, 1)


def test_every_call_is_one_line_in_the_log(house: SegmentHouse) -> None:
    contact = house.contact_there("bronze")
    house.wish(contact, "gold")

    with capture_logs() as logs:
        house.work()

    lines = [line for line in logs if line["event"] == "segment_call"]
    assert [line["resend_operation"] for line in lines] == ["list", "remove", "add"]
    told: dict[str, Any] = {**lines[2]}
    assert told.pop("latency_ms") > 0
    assert told.pop("queue_length") >= 0
    assert told.pop("log_level") == "info"
    assert told == {
        "event": "segment_call",
        "contactId": contact.pk,
        "segment_target": house.segments["gold"],
        "engagement_score": 7,
        "mode": "update",
        "resend_operation": "add",
        "retry_attempt": 0,
        "resend_status": 200,
        "outcome": "ok",
    }
    assert contact.address not in str(logs)


def test_calls_for_one_contact_keep_their_interval(house: SegmentHouse, settings: Settings) -> None:
    settings.SEGMENT_MIN_INTERVAL_MS = 300
    settings.SEGMENT_JITTER_MS = 200
    contacts = [house.contact_there("bronze", "silver") for _ in range(4)]
    for contact in contacts:
        house.wish(contact, "gold")

    house.work()

    gaps = []
    for contact in contacts:
        calls = [one for one in house.told()[4:] if contact.address in (one.email, one.asked)]
        assert len(calls) == 4
        gaps += [after.t - before.ended for before, after in pairwise(calls)]
    assert min(gaps) >= 0.3
    assert len({round(gap, 2) for gap in gaps}) > 3


# --- Off, and Branch A ----------------------------------------------------------------------------


def test_legacy_loop_lists_removes_and_adds_for_every_wish(house: SegmentHouse) -> None:
    switch(Flag.SEGMENT_QUEUE, on=False)
    contact = house.contact_there("bronze", "silver")
    house.wish(contact, "gold")
    house.work()

    house.wish(contact, "silver")
    house.work()

    told = operations(house.told()[1:])
    assert told == ["list", "remove", "remove", "add", "list", "remove", "add"]
    assert house.members_of(contact) == {"silver"}
    assert [ended.calls for ended in passes_of(contact)] == [4, 3]


def test_legacy_loop_retries_where_it_stands_and_then_gives_back(house: SegmentHouse) -> None:
    switch(Flag.SEGMENT_QUEUE, on=False)
    contact = house.contact()
    house.wish(contact, "gold")
    house.sandbox.next_contact_fault("503", count=1)

    house.work()

    assert operations(house.told()) == ["list", "list", "create"]
    assert house.members_of(contact) == {"gold"}


def test_set_call_is_one_call_that_keeps_what_we_do_not_manage(house: SegmentHouse) -> None:
    switch(Flag.SEGMENT_SET, on=True)
    house.sandbox.configure(segment_set=True)
    house.make_segment("friends")
    contact = house.contact_there("bronze", "silver", "friends")
    house.wish(contact, "gold")
    house.work()
    assert house.members_of(contact) == {"gold", "friends"}

    house.wish(contact, None)
    house.work()

    assert operations(house.told("set", "add", "remove")) == ["set", "set"]
    assert house.members_of(contact) == {"friends"}


def test_set_call_that_is_not_offered_falls_back_to_one_at_a_time(
    house: SegmentHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "_without_until", float("-inf"))
    switch(Flag.SEGMENT_SET, on=True)
    contact = house.contact_there("bronze")
    house.wish(contact, "gold")

    house.work()

    assert operations(house.told()[1:]) == ["list", "set", "remove", "add"]
    assert house.members_of(contact) == {"gold"}
    assert SegmentWish.objects.get().attempts == 0


# --- Persons who were erased ------------------------------------------------------------------


def erase(contact: Contact) -> None:
    erasing.erase_person(
        contact_id=contact.pk, origin=SuppressionOrigin.OPERATOR, now=timezone.now()
    )


def is_there(house: SegmentHouse, address: str) -> bool:
    return call(house.sandbox, "GET", f"/contacts/{address}", {}).status == HTTPStatus.OK


@pytest.mark.parametrize("with_queue", [True, False])
def test_erased_person_is_deleted_at_the_provider(house: SegmentHouse, *, with_queue: bool) -> None:
    switch(Flag.SEGMENT_QUEUE, on=with_queue)
    contact = house.contact()
    house.wish(contact, "gold", mode="initial")
    house.work()
    assert is_there(house, contact.address)

    erase(contact)
    house.work()

    assert not is_there(house, contact.address)
    assert operations(house.told("delete")) == ["delete"]
    wish = SegmentWish.objects.get()
    assert (wish.state, wish.delete_as, wish.provider_contact_id) == (WishState.IDLE, "", "")


def test_erased_person_whom_the_provider_had_from_before_is_deleted_by_address(
    house: SegmentHouse,
) -> None:
    contact = house.contact_there("silver")
    house.wish(contact, None)

    erase(contact)
    house.work()

    assert not is_there(house, contact.address)


def test_erased_person_whom_the_provider_never_had_is_done_by_one_call(
    house: SegmentHouse,
) -> None:
    contact = house.contact()
    house.wish(contact, "gold")

    erase(contact)
    house.work()

    assert operations(house.told()) == ["delete"]
    assert not DeadLetter.objects.exists()


def test_deletion_waits_for_the_call_under_way_and_its_outcome_is_refused(
    house: SegmentHouse,
) -> None:
    contact = house.contact()
    house.wish(contact, "gold", mode="initial")
    under_way = claim(account_id=house.sender.account_id)
    assert under_way is not None

    erase(contact)

    assert not settling.settle(under_way, settling.NO_CALL, finished=True, wait_seconds=0)
    wish = SegmentWish.objects.get()
    assert (wish.state, wish.delete_as) == (WishState.WAITING, contact.address)
    assert wish.due_at is not None
    assert wish.due_at > timezone.now() + timedelta(seconds=settings.SEGMENT_LEASE_SECONDS / 2)
