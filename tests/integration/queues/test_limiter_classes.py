"""Single mails, campaigns and segment calls on one budget, on a real Valkey."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from apps.queues import metrics
from apps.queues.limiting import CallClass, Limiter, Slot, open_broker
from tests.integration.queues.throwaway_valkey import ThrowawayValkey, warm_account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

SINGLE, CAMPAIGN, SEGMENT = CallClass
# Bulk offers to wait long and is cut short where it is not its turn.
BULK_WAIT_MS = 2_500


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayValkey]:
    server = ThrowawayValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def broker(valkey: ThrowawayValkey) -> Iterator[Redis]:
    with open_broker(valkey.url) as client:
        client.flushall()
        yield client


def worker(broker: Redis, name: str, **options: Any) -> Limiter:
    return Limiter(broker, "account", 10, name, **options)


def fill(limiter: Limiter, call_class: CallClass, *, times: int = 50) -> list[Slot]:
    """All slots that the class can have at this moment."""
    asked = (limiter.reserve(BULK_WAIT_MS, call_class=call_class) for _ in range(times))
    return [got for got in asked if isinstance(got, Slot)]


def compete(broker: Redis, seconds: float, *classes: CallClass, limit: float) -> dict[str, float]:
    """Classes that take whatever they get; each one's part of the limit, and the whole."""
    warm_account(broker, limit=limit)
    workers = {call_class: worker(broker, call_class) for call_class in classes}
    for call_class in classes:  # from here on all of them are known to want slots
        workers[call_class].reserve(0, call_class=call_class)
    granted: Counter[str] = Counter()
    first = last = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for call_class in classes:
            wait = 1_000 if call_class is SINGLE else BULK_WAIT_MS
            got = workers[call_class].reserve(wait, call_class=call_class)
            if isinstance(got, Slot):
                granted[call_class] += 1
                first, last = first or got.instant, max(last, got.instant)
        time.sleep(0.002)
    spans = limit * (last - first) / 1e6
    return {call_class: granted[call_class] / spans for call_class in classes}


@pytest.mark.parametrize("limit", [5, 10, 50])
def test_single_mail_waits_half_a_second_at_most_behind_a_campaign(
    broker: Redis, limit: float
) -> None:
    warm_account(broker, limit=limit)
    bulk, single = worker(broker, "bulk"), worker(broker, "single")
    single.reserve(0)  # single mails are about

    for _ in range(4):
        fill(bulk, CAMPAIGN)
        got = single.reserve(1_000)
        assert isinstance(got, Slot)
        assert got.fire_in_s <= 0.5
        time.sleep(got.fire_in_s)


def test_single_mail_waits_half_a_second_behind_a_campaign_and_segments_together(
    broker: Redis,
) -> None:
    warm_account(broker, limit=10)
    bulk, segments, single = (worker(broker, name) for name in ("bulk", "segments", "single"))
    single.reserve(0)

    for _ in range(4):
        fill(bulk, CAMPAIGN, times=10)
        fill(segments, SEGMENT, times=10)
        fill(bulk, CAMPAIGN, times=10)
        got = single.reserve(1_000)
        assert isinstance(got, Slot)
        assert got.fire_in_s <= 0.5
        time.sleep(got.fire_in_s)


@pytest.mark.parametrize("limit", [5, 10])
def test_first_single_mail_in_a_while_waits_one_slot_more(broker: Redis, limit: float) -> None:
    warm_account(broker, limit=limit)
    fill(worker(broker, "bulk"), CAMPAIGN)

    got = worker(broker, "single").reserve(1_000)

    assert isinstance(got, Slot)
    assert got.fire_in_s <= 0.5 + 1 / (0.9 * limit)


def test_segments_get_a_fifth_while_mail_waits(broker: Redis) -> None:
    parts = compete(broker, 3, CAMPAIGN, SEGMENT, limit=50)

    assert 0.15 <= parts[SEGMENT] <= 0.2
    assert sum(parts.values()) >= 0.85


def test_segments_get_everything_while_no_mail_waits(broker: Redis) -> None:
    parts = compete(broker, 3, SEGMENT, limit=50)

    assert parts[SEGMENT] >= 0.85


def test_segments_do_not_pay_later_for_what_they_used_alone(broker: Redis) -> None:
    compete(broker, 1, SEGMENT, limit=50)

    parts = compete(broker, 3, CAMPAIGN, SEGMENT, limit=50)

    assert parts[SEGMENT] >= 0.13


def test_campaigns_and_segments_do_not_starve_behind_single_mails(broker: Redis) -> None:
    parts = compete(broker, 3, SINGLE, CAMPAIGN, SEGMENT, limit=50)

    assert min(parts[CAMPAIGN], parts[SEGMENT]) >= 0.13
    assert parts[SINGLE] >= 0.4
    assert sum(parts.values()) >= 0.85


def test_campaign_alone_uses_the_limit(broker: Redis) -> None:
    parts = compete(broker, 3, CAMPAIGN, limit=10)

    assert parts[CAMPAIGN] >= 0.85


def test_use_shows_each_class_and_who_waits(broker: Redis) -> None:
    warm_account(broker, limit=2)
    for name in ("a", "b", "c"):
        fill(worker(broker, name), CAMPAIGN, times=2)
    assert isinstance(worker(broker, "d").reserve(5_000, call_class=SINGLE), Slot)

    use = worker(broker, "display").peek()

    assert use.by_class[CAMPAIGN].waiting == 3
    assert use.by_class[SINGLE].waiting == 0
    assert use.by_class[SINGLE].per_second == pytest.approx(0.2, abs=0.01)
    assert use.share == pytest.approx(use.per_second / 2)


def test_slot_given_back_is_no_turn_used(broker: Redis) -> None:
    warm_account(broker, limit=50)
    mail, segments = worker(broker, "mail"), worker(broker, "segments")
    mail.reserve(call_class=CAMPAIGN)
    slots = fill(segments, SEGMENT)

    assert segments.give_back(slots[-1])

    assert isinstance(segments.reserve(BULK_WAIT_MS, call_class=SEGMENT), Slot)


def test_budget_that_others_have_used_is_let_pass(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = worker(broker, "one")
    one.reserve()

    one.observe(10, remaining=0, reset_s=1)

    got = one.reserve(2_000)
    assert isinstance(got, Slot)
    assert 0.9 <= got.fire_in_s <= 1.0


def test_budget_that_we_have_used_ourselves_stops_nobody(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = worker(broker, "one")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        slot = one.reserve(1_000)
        assert isinstance(slot, Slot)
        time.sleep(slot.fire_in_s)

    one.observe(10, remaining=0, reset_s=1)

    got = one.reserve(2_000)
    assert isinstance(got, Slot)
    assert got.fire_in_s < 0.2


@pytest.mark.parametrize("remaining", [None, 1, 7])
def test_budget_that_is_left_asks_nobody(broker: Redis, remaining: float | None) -> None:
    warm_account(broker, limit=10)
    one = worker(broker, "one")
    one.reserve()

    one.observe(10, remaining=remaining, reset_s=1)

    assert one.peek().ahead_s < 0.3


def test_each_worker_has_a_seat_and_the_next_takes_one_that_is_left(broker: Redis) -> None:
    warm_account(broker, limit=100)
    workers = [worker(broker, name) for name in ("a", "b", "c")]
    for one in workers:
        one.reserve()
    long_ago = (time.time() - 61) * 1e6
    broker.zadd("limiter:{account}:workers", {"b": long_ago})

    newcomer = worker(broker, "d")
    newcomer.reserve()
    workers[2].reserve()

    assert [one._own.seat for one in workers] == [0, 1, 2]
    assert newcomer._own.seat == 1
    assert workers[2]._own.seats == 3


@pytest.mark.parametrize(("late_s", "shared"), [(0.08, False), (0.4, True)])
def test_far_broker_counts_as_down_only_beyond_what_is_set(
    broker: Redis, monkeypatch: pytest.MonkeyPatch, late_s: float, *, shared: bool
) -> None:
    warm_account(broker, limit=10)
    one = worker(broker, "one", late_s=late_s)
    call = one._script.call

    def call_from_afar(*arguments: Any) -> Any:
        time.sleep(0.06)
        reply = call(*arguments)
        time.sleep(0.06)
        return reply

    monkeypatch.setattr(one._script, "call", call_from_afar)

    slots = [got for _ in range(8) if isinstance(got := one.reserve(3_000), Slot)]

    assert slots[-1].shared is shared
    assert not shared or slots[-1].wait()


def test_longer_lateness_is_paid_with_pace(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = worker(broker, "one", late_s=0.5)

    first, second = one.reserve(3_000), one.reserve(3_000)

    assert isinstance(first, Slot)
    assert isinstance(second, Slot)
    # Ten gaps span the second, and what a request may be late on top.
    assert (second.instant - first.instant) / 1e6 * 10 >= 1.5


def test_reservations_are_counted_by_class_and_outcome(broker: Redis) -> None:
    warm_account(broker, limit=2)
    account = f"account-{time.time_ns()}"
    one = Limiter(broker, account, 2, "one")
    for _ in range(3):
        one.reserve(0, call_class=SEGMENT)

    counted = {
        outcome: metrics.LIMITER_RESERVATIONS.labels(account, "segment", outcome)._value.get()
        for outcome in ("granted", "paced")
    }

    assert counted == {"granted": 1, "paced": 2}
