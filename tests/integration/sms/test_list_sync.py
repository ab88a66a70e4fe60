"""Lists of the stand-in for Lime, synced into subscribers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apps.queues.limiting import Held
from apps.queues.windows import Limits
from apps.sandbox.lime.handle import people
from apps.sms import digests, leaving
from apps.sms.calling.doors import open_window
from apps.sms.listing import pruning, running, starting
from apps.sms.listing.errors import ListBusyError, ListError
from apps.sms.models import (
    ListMember,
    ListReject,
    ListSyncRun,
    OptInList,
    PhoneSuppression,
    Subscriber,
    Subscription,
)
from apps.sms.zones import locate
from tests.factories.texts import LimeAccountFactory, OptInListFactory
from tests.integration.sms.at_once import run_both
from tests.integration.sms.conftest import API_ID

if TYPE_CHECKING:
    from apps.sandbox.lime.handle import LimeSandbox

pytestmark = pytest.mark.django_db
State = ListSyncRun.State
BOTH = "71441=300@0,71442=300@200"  # a hundred people are on both


@pytest.fixture
def opt_in_list(lime: LimeSandbox, settings: Any) -> OptInList:
    """A list of 300 people that nobody has read yet."""
    lime.restore()
    lime.reset()
    lime.configure(lists=BOTH)
    settings.LIME_API_URL = lime.url
    account = LimeAccountFactory.create(api_key=API_ID)
    return OptInListFactory.create(account=account, list_id="71441")


def sync(opt_in_list: OptInList, **wishes: Any) -> ListSyncRun:
    run = starting.start(
        opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND, **wishes
    )
    done = running.advance_run(run_id=run.pk)
    assert done is not None
    return done


def again(run: ListSyncRun) -> ListSyncRun | None:
    """The next attempt, as soon as it is due."""
    ListSyncRun.objects.filter(pk=run.pk).update(run_after=timezone.now() - timedelta(hours=1))
    return running.advance_run(run_id=run.pk)


def active(opt_in_list: OptInList) -> set[str]:
    found = Subscription.objects.filter(brand=opt_in_list.brand, active=True)
    return set(found.values_list("subscriber__phone", flat=True))


def expected(count: int, start: int = 0) -> set[str]:
    return {f"+{mobile}" for mobile in people(count, start=start)}


def test_first_sync_makes_subscribers_of_everybody(opt_in_list: OptInList) -> None:
    run = sync(opt_in_list)

    assert (run.state, run.records, run.created, run.joined, run.verified) == (
        (State.DONE, 300, 300, 300, 300)
    )
    assert active(opt_in_list) == expected(300)
    first = Subscriber.objects.get(phone="+12122000000")
    assert (first.first_name, first.last_name, first.email) == (
        ("Ada", "Hopper", "person.0@people.example")
    )
    assert (first.timezone, first.state, first.zone_source) == ("America/New_York", "NY", "number")
    # 01:08:21 in New York, in winter.
    assert first.opted_in_at == datetime(2012, 1, 17, 6, 8, 21, tzinfo=UTC)
    assert first.verified_at == run.started_at
    subscription = Subscription.objects.get(subscriber=first)
    assert (subscription.verified_at, subscription.source) == (run.started_at, "lime list 71441")
    assert "71441" in subscription.proof
    opt_in_list.refresh_from_db()
    assert opt_in_list.last_run == run


def test_list_waits_for_a_turn_in_the_accounts_window(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    texts = open_window(opt_in_list.account_id, Limits())
    assert not isinstance(texts.take(1, wanted=1), Held)
    texts.freeze(0.8)
    asked_at = time.time()

    assert sync(opt_in_list).verified == 300

    (request,) = lime.requests()
    assert request.t - asked_at > 0.7


def test_dates_are_those_of_the_lists_zone(opt_in_list: OptInList) -> None:
    OptInList.objects.update(timezone="America/Los_Angeles")

    sync(opt_in_list)

    first = Subscriber.objects.get(phone="+12122000000")
    assert first.opted_in_at == datetime(2012, 1, 17, 9, 8, 21, tzinfo=UTC)


def test_second_sync_writes_nobody_who_was_verified_lately(opt_in_list: OptInList) -> None:
    first = sync(opt_in_list)

    second = sync(opt_in_list)

    assert (second.created, second.joined, second.verified, second.left) == (0, 0, 300, 0)
    seen = set(Subscription.objects.values_list("verified_at", flat=True))
    assert seen == {first.started_at}


def test_old_verification_is_written_anew(opt_in_list: OptInList) -> None:
    sync(opt_in_list)
    long_ago = timezone.now() - timedelta(hours=2)
    Subscription.objects.update(verified_at=long_ago)
    Subscriber.objects.update(verified_at=long_ago)

    run = sync(opt_in_list)

    assert set(Subscription.objects.values_list("verified_at", flat=True)) == {run.started_at}
    assert set(Subscriber.objects.values_list("verified_at", flat=True)) == {run.started_at}


def test_who_leaves_the_list_leaves_the_brand(opt_in_list: OptInList, lime: LimeSandbox) -> None:
    sync(opt_in_list)
    for mobile in people(5):
        lime.happen("optout", mobile, list_id="71441")

    run = sync(opt_in_list)

    assert (run.state, run.left, run.would_leave, run.were_active) == (State.DONE, 5, 5, 300)
    assert active(opt_in_list) == expected(295, 5)
    gone = Subscription.objects.filter(active=False)
    assert {(one.source, one.opted_out_at is None) for one in gone} == {("left list 71441", False)}
    assert ListMember.objects.count() == 295
    assert Subscriber.objects.filter(status="OPTOUT").count() == 0  # other brands may text them


def test_who_is_on_another_list_of_the_brand_stays(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    other = OptInListFactory.create(
        brand=opt_in_list.brand, account=opt_in_list.account, list_id="71442"
    )
    sync(opt_in_list)
    sync(other)
    on_both = people(1, start=250)[0]
    lime.happen("optout", on_both, list_id="71441")

    run = sync(opt_in_list)

    assert run.left == 0
    assert active(opt_in_list) == expected(500)
    lime.happen("optout", on_both, list_id="71442")
    assert sync(other).left == 1


def test_who_was_never_on_the_list_is_left_alone(opt_in_list: OptInList) -> None:
    stranger = Subscriber.objects.create(phone="+19175550100")
    Subscription.objects.create(subscriber=stranger, brand=opt_in_list.brand)

    run = sync(opt_in_list)

    assert run.left == 0
    assert "+19175550100" in active(opt_in_list)


def test_who_left_with_us_after_opting_in_stays_out(opt_in_list: OptInList) -> None:
    sync(opt_in_list)
    stopped, left = Subscriber.objects.order_by("id")[:2]
    now = timezone.now()
    Subscriber.objects.filter(pk=stopped.pk).update(status="OPTOUT", opted_out_at=now)
    Subscription.objects.filter(subscriber__in=[stopped, left]).update(
        active=False, opted_out_at=now, source="STOP"
    )

    run = sync(opt_in_list)

    assert (run.joined, run.kept_out, run.verified) == (0, 2, 298)
    assert Subscription.objects.filter(active=False).count() == 2
    stopped.refresh_from_db()
    assert stopped.status == "OPTOUT"


def test_who_opted_in_after_leaving_is_back(opt_in_list: OptInList) -> None:
    sync(opt_in_list)
    subscriber = Subscriber.objects.order_by("id")[0]
    earlier = datetime(2011, 1, 1, tzinfo=UTC)
    Subscriber.objects.filter(pk=subscriber.pk).update(status="OPTOUT", opted_out_at=earlier)
    Subscription.objects.filter(subscriber=subscriber).update(
        active=False, opted_out_at=earlier, source="STOP"
    )

    run = sync(opt_in_list)

    assert (run.joined, run.kept_out) == (1, 0)
    subscriber.refresh_from_db()
    assert (subscriber.status, subscriber.opted_out_at) == ("ACTIVE", None)
    assert len(active(opt_in_list)) == 300


def test_who_was_missing_by_mistake_is_back_with_the_list(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    sync(opt_in_list)
    lime.configure(lists="71441=290@0")
    assert sync(opt_in_list).left == 10

    lime.configure(lists=BOTH)
    run = sync(opt_in_list)

    assert run.joined == 10
    assert active(opt_in_list) == expected(300)


@pytest.mark.parametrize("place", ["everywhere", "the brand"])
def test_who_says_stop_after_leaving_the_list_is_not_brought_back_by_it(
    opt_in_list: OptInList, lime: LimeSandbox, place: str
) -> None:
    sync(opt_in_list)
    lime.configure(lists="71441=299@1")  # all but one
    gone = expected(300) - expected(299, 1)
    sync(opt_in_list)
    (phone,) = gone
    assert phone not in active(opt_in_list)
    brands = None if place == "everywhere" else [opt_in_list.brand_id]

    leaving.opt_out_number(place=locate(phone), brand_ids=brands, source="keyword STOP")
    Subscriber.objects.filter(phone=phone).update(status="ACTIVE", opted_out_at=None)
    lime.configure(lists=BOTH)
    sync(opt_in_list)

    assert phone not in active(opt_in_list)
    assert len(active(opt_in_list)) == 299


@pytest.mark.django_db(transaction=True)
def test_who_is_added_by_somebody_else_meanwhile_is_merged_as_known(
    opt_in_list: OptInList,
) -> None:
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)

    def add() -> None:
        added = Subscriber.objects.create(phone="+12122000000", first_name="Augusta")
        Subscription.objects.create(subscriber=added, brand=opt_in_list.brand, source="form")

    other = run_both(add, lambda: running.advance_run(run_id=run.pk))

    assert other.error is None
    run.refresh_from_db()
    assert (run.state, run.created, run.joined, run.verified) == (State.DONE, 299, 299, 300)
    added = Subscription.objects.get(subscriber__phone="+12122000000")
    assert (added.source, added.verified_at) == ("form", run.started_at)
    assert ListMember.objects.count() == Subscription.objects.count() == 300


def test_known_values_are_filled_and_never_overwritten(opt_in_list: OptInList) -> None:
    Subscriber.objects.create(
        phone="+12122000000", first_name="Augusta", timezone="Europe/London", zone_source="given"
    )

    sync(opt_in_list)

    known = Subscriber.objects.get(phone="+12122000000")
    assert (known.first_name, known.last_name, known.timezone, known.zone_source) == (
        ("Augusta", "Hopper", "Europe/London", "given")
    )


def test_erased_people_are_not_brought_back(opt_in_list: OptInList) -> None:
    version = digests.newest_version()
    PhoneSuppression.objects.create(
        reason="erased",
        phone_digest=digests.digest("+12122000000", version=version),
        digest_version=version,
    )

    run = sync(opt_in_list)

    assert run.created == 299
    assert not Subscriber.objects.filter(phone="+12122000000").exists()


# --- Documents that are not what they should be ---------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("cut", "cut off"),
        ("cut_record", "cut off"),
        ("reset", "reset"),
        ("claims_10_gb", "too_large"),
        ("entity_bomb", "document type"),
        ("external_entity", "document type"),
        ("not_xml", "<html>"),
        ("error", "500"),
    ],
)
def test_document_that_is_not_whole_changes_nobody(
    opt_in_list: OptInList, lime: LimeSandbox, fault: str, told: str
) -> None:
    sync(opt_in_list)
    for mobile in people(5):
        lime.happen("optout", mobile, list_id="71441")
    lime.configure(list_fault=fault, lists="71441=400@0")

    run = sync(opt_in_list)

    assert (run.state, run.attempts) == (State.WAITING, 1)
    assert told in run.problem
    assert (len(active(opt_in_list)), Subscriber.objects.count()) == (300, 300)


def test_cut_document_is_read_anew_and_given_up_after_three_attempts(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    lime.configure(list_fault="cut")
    run = sync(opt_in_list)
    assert running.advance_run(run_id=run.pk) is None  # not due yet

    again(run)
    last = again(run)

    assert last is not None
    assert (last.state, last.attempts) == (State.FAILED, 3)
    assert Subscriber.objects.count() == 0


def test_sync_comes_to_its_end_once_the_provider_is_well(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    lime.configure(list_fault="cut_record")
    run = sync(opt_in_list)
    lime.configure(list_fault="")

    done = again(run)

    assert done is not None
    assert (done.state, done.records, done.problem) == (State.DONE, 300, "")


def test_wrong_key_fails_at_once(opt_in_list: OptInList) -> None:
    opt_in_list.account.api_key = "wrong"
    opt_in_list.account.save()

    run = sync(opt_in_list)

    assert run.state == State.FAILED
    assert "403" in run.problem
    assert "wrong" not in run.problem


def test_list_that_takes_too_long_begins_anew(
    opt_in_list: OptInList, lime: LimeSandbox, settings: Any
) -> None:
    settings.LIST_SYNC_SECONDS = 0.3
    lime.configure(list_pause_ms=300)

    run = sync(opt_in_list)

    assert run.state == State.WAITING
    assert "longer than it may" in run.problem
    settings.LIST_SYNC_SECONDS = 30
    done = again(run)
    assert done is not None
    assert (done.state, done.created) == (State.DONE, 300)


def test_damaged_name_costs_the_name_alone(opt_in_list: OptInList, lime: LimeSandbox) -> None:
    lime.configure(list_fault="wrong_charset")

    run = sync(opt_in_list)

    assert (run.state, run.created, run.rejected) == (State.DONE, 300, 1)


def test_broken_records_are_kept_with_line_and_reason(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    lime.configure(list_broken_every=100)

    run = sync(opt_in_list)

    assert (run.state, run.records, run.created, run.rejected) == (State.DONE, 303, 300, 3)
    rejects = list(ListReject.objects.values_list("line", "field", "reason", "number"))
    assert rejects == [
        (103, "MobileNumber", "is no phone number that a text could go to", "call me"),
        (204, "OptInDate", "is no date like 01/17/2012 01:08:21 AM", "12125550100"),
        (305, "MobileNumber", "is missing", ""),
    ]
    sync(opt_in_list)
    assert ListReject.objects.count() == 3  # those of the newest run alone


# --- Who may leave --------------------------------------------------------------------------------


def test_sync_that_would_opt_out_too_many_stops_and_asks(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    sync(opt_in_list)
    lime.configure(lists="71441=269@0")

    run = sync(opt_in_list)

    assert (run.state, run.would_leave, run.were_active, run.left) == (State.ASKS, 31, 300, 0)
    assert len(active(opt_in_list)) == 300
    confirmed = starting.confirm(run_id=run.pk, by="ops")
    done = running.advance_run(run_id=confirmed.pk)
    assert done is not None
    assert (done.state, done.left) == (State.DONE, 31)
    run.refresh_from_db()
    assert run.state == State.SUPERSEDED
    with pytest.raises(ListError, match="asks nothing"):
        starting.confirm(run_id=run.pk, by="ops")


def test_confirmed_sync_asks_again_where_more_would_leave(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    sync(opt_in_list)
    lime.configure(lists="71441=269@0")
    asking = sync(opt_in_list)
    lime.configure(lists="71441=200@0")

    confirmed = starting.confirm(run_id=asking.pk, by="ops")
    done = running.advance_run(run_id=confirmed.pk)

    assert done is not None
    assert (done.state, done.would_leave) == (State.ASKS, 100)


@pytest.mark.parametrize("percent", [10, 100])
def test_empty_list_asks_whatever_the_share(
    opt_in_list: OptInList, lime: LimeSandbox, percent: int
) -> None:
    sync(opt_in_list)
    OptInList.objects.update(leave_percent=percent)
    lime.configure(list_fault="empty")

    run = sync(opt_in_list)

    assert (run.state, run.would_leave) == (State.ASKS, 300)


# --- One at a time --------------------------------------------------------------------------------


def test_second_sync_of_a_list_is_refused_while_one_is_under_way(opt_in_list: OptInList) -> None:
    starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.SCHEDULE)

    with pytest.raises(ListBusyError):
        sync(opt_in_list)

    assert starting.start_all() == 0


def test_every_active_list_is_started(opt_in_list: OptInList) -> None:
    OptInListFactory.create(account=opt_in_list.account, active=False)

    assert starting.start_all() == 1


def test_run_whose_lease_is_held_is_left_alone(opt_in_list: OptInList) -> None:
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)
    ListSyncRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, lease_until=timezone.now() + timedelta(seconds=60), fence=1
    )

    assert running.advance_run(run_id=run.pk) is None


def test_run_of_a_dead_worker_is_taken_over(opt_in_list: OptInList) -> None:
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)
    ListSyncRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), fence=1, attempts=1
    )

    done = running.advance_run(run_id=run.pk)

    assert done is not None
    assert (done.state, done.fence, done.attempts) == (State.DONE, 2, 2)


def test_worker_that_was_taken_for_dead_writes_nothing(opt_in_list: OptInList) -> None:
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)

    def take_over(_: running.Progress) -> None:
        ListSyncRun.objects.filter(pk=run.pk).update(fence=99)

    left = running.advance_run(run_id=run.pk, on_progress=take_over)

    assert left is not None
    assert (left.state, left.fence) == (State.RUNNING, 99)
    assert Subscriber.objects.count() == 0


def test_old_runs_are_pruned_but_for_each_lists_last(opt_in_list: OptInList) -> None:
    old, last = sync(opt_in_list), sync(opt_in_list)

    assert pruning.prune_runs(now=timezone.now() + timedelta(days=31)) == 1

    assert list(ListSyncRun.objects.all()) == [last]
    assert old.pk != last.pk


def test_number_that_tells_no_zone_gets_the_brands(
    opt_in_list: OptInList, lime: LimeSandbox
) -> None:
    lime.happen("optin", "18005551212", list_id="71441")

    sync(opt_in_list)

    joined = Subscriber.objects.get(phone="+18005551212")
    assert (joined.timezone, joined.state, joined.zone_source) == ("America/New_York", "", "brand")
