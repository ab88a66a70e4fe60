"""The limiter while no broker answers, on a clock of the test's own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from apps.queues.limiting import Held, HeldReason, Limiter, Slot
from apps.queues.limiting.broker_link import BrokerLink
from apps.queues.limiting.own_pace import OwnPace
from apps.queues.limiting.rates import paced_limit


@dataclass
class FakeClock:
    now: float = 1_000.0
    oversleeps: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.oversleeps


class AbsentBroker(Redis):
    """A broker that never answers; each question to it costs `cost_s` of the clock."""

    def __init__(self, clock: FakeClock, *, cost_s: float = 0.0) -> None:
        super().__init__()
        self._clock, self._cost_s = clock, cost_s
        self.asked = 0

    def execute_command(self, *_args: object, **_options: object) -> object:
        self.asked += 1
        self._clock.now += self._cost_s
        error = RedisTimeoutError if self._cost_s else RedisConnectionError
        raise error("no broker in this test")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def limiter_alone(
    clock: FakeClock, *, limit: float | None = 10, workers_floor: int = 1, cost_s: float = 0.0
) -> Limiter:
    return Limiter(
        AbsentBroker(clock, cost_s=cost_s),
        "account",
        limit,
        "worker",
        live_workers_floor=workers_floor,
        clock=clock,
        sleep=clock.sleep,
    )


def send_for(limiter: Limiter, clock: FakeClock, seconds: float) -> list[float]:
    """The instants at which a caller sends who does nothing else."""
    instants = []
    end = clock.now + seconds
    while clock.now < end:
        got = limiter.reserve()
        if isinstance(got, Held):
            clock.now += got.retry_in_s
        elif got.wait():
            instants.append(clock.now)
    return instants


@pytest.mark.parametrize(("workers", "expected"), [(1, 4.5), (3, 1.125), (4, 1.125)])
def test_pace_without_broker_is_a_fraction_and_never_stops(
    clock: FakeClock, workers: int, expected: float
) -> None:
    limiter = limiter_alone(clock, limit=10, workers_floor=workers)

    instants = send_for(limiter, clock, 100)

    assert len(instants) == pytest.approx(expected * 100, rel=0.03)
    gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
    assert min(gaps) >= 1 / expected - 1e-6


def most_in_a_second(instants: list[float]) -> int:
    """The largest number of instants in any sliding second."""
    ordered = sorted(instants)
    return max(
        sum(first <= other < first + 1 - 1e-6 for other in ordered[at:])
        for at, first in enumerate(ordered)
    )


def instants_of(own: OwnPace, *, limit: float, until: float) -> list[float]:
    sent, now = [], 1_000.0
    own.start(limit, now=now, broker_ahead_s=12_345.6)
    while (now := own.next_slot(limit, now=now)) < until:
        own.grant(now)
        sent.append(now)
    return sent


@pytest.mark.parametrize("workers", [10, 40, 100])
def test_more_workers_than_the_limit_never_exceed_it_together(workers: int) -> None:
    sent: list[float] = []
    for seat in range(workers):
        own = OwnPace(workers=workers, seat=seat, seats=workers)
        sent += instants_of(own, limit=10, until=1_120)

    assert most_in_a_second(sent) <= 10 / 2 + 1
    rate = len(sent) / 119
    assert 10 * 0.45 / 2 <= rate <= 10 * 0.45 + 0.1


def test_workers_that_counted_one_another_differently_do_not_exceed_it_either() -> None:
    sent: list[float] = []
    for seat in range(40):
        known = 32 if seat < 32 else 40
        own = OwnPace(workers=known, seat=seat, seats=known)
        sent += instants_of(own, limit=10, until=1_120)

    assert most_in_a_second(sent) <= 10


def test_slots_granted_before_the_broker_was_lost_are_let_out_first() -> None:
    own = OwnPace(workers=4, seat=2, seats=4)

    own.start(10, now=1_000.0)

    assert own.next_slot(10, now=1_000.0) >= 1_001


def test_worker_without_a_seat_takes_a_place_by_chance() -> None:
    firsts = []
    for _ in range(40):
        own = OwnPace(workers=40)
        own.start(10, now=1_000.0)
        firsts.append(own.next_slot(10, now=1_000.0) - 1_001)

    gap = OwnPace(workers=40).gap(10, now=1_000.0)
    assert all(0 <= first <= gap for first in firsts)
    assert len({round(first / gap * 4) for first in firsts}) > 2


def test_losing_the_broker_keeps_the_gap_to_the_last_shared_slot() -> None:
    own = OwnPace(last=1_000.4)

    own.start(10, now=1_000.0)

    assert own.next_slot(10, now=1_000.0) >= 1_000.4 + own.gap(10, now=1_000.0) - 1e-9


def test_broker_that_hangs_costs_at_most_a_fifth_of_the_time(clock: FakeClock) -> None:
    limiter = limiter_alone(clock, cost_s=0.5)
    started = clock.now

    for _ in range(10_000):
        limiter.reserve(max_wait_ms=0)
        clock.now += 0.001

    broker = limiter._script._client
    assert isinstance(broker, AbsentBroker)
    assert broker.asked * 0.5 <= (clock.now - started) * 0.21 + 0.5


def test_broker_whose_clock_stays_unknown_is_as_good_as_down() -> None:
    link = BrokerLink(Redis())

    doubts = [link.is_too_slow(doubt, bearable_s=0.08) for doubt in (0.1, 0.1, 0.01, 0.1, 0.1, 0.1)]

    assert doubts == [False] * 5 + [True]


def test_broker_that_is_down_is_tried_by_one_caller_at_a_time() -> None:
    link = BrokerLink(Redis(), probe=lambda _: True)
    link.failed(now=0.0, cost_s=0.0)

    tries = [link.may_ask(now) for now in (0.1, 0.51, 0.52, 0.9, 1.02)]

    assert tries == [False, True, False, False, True]


def test_broker_that_was_lost_is_not_asked_until_it_answers_a_probe() -> None:
    answers = iter([False, True])
    link = BrokerLink(Redis(), probe=lambda _: next(answers))
    link.failed(now=0.0, cost_s=0.0)

    tries = [link.may_ask(now) for now in (1.0, 2.0)]

    assert tries == [False, True]
    assert link.answered()
    assert not link.answered()


def test_freeze_without_broker_stops_and_halves(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)
    limiter.reserve()

    limiter.freeze(10)

    held = limiter.reserve()
    assert isinstance(held, Held)
    assert held.reason is HeldReason.FROZEN
    assert 9.5 <= held.retry_in_s <= 9.5 + 1 / 4.5 * 2 + 0.125
    assert limiter.peek().factor == 0.5
    assert send_for(limiter, clock, 20)[0] >= 1_010


@pytest.mark.parametrize("junk", [math.nan, -5.0, -math.inf])
def test_freeze_for_a_senseless_span_only_slows_down(clock: FakeClock, junk: float) -> None:
    limiter = limiter_alone(clock)

    limiter.freeze(junk)

    assert limiter.peek().frozen_for_s == 0
    assert limiter.peek().factor == 0.5


def test_freeze_ends_after_five_minutes_at_the_latest(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)

    limiter.freeze(math.inf)

    assert limiter.peek().frozen_for_s == 300


def test_repeated_freezes_slow_down_to_a_tenth_at_most(clock: FakeClock) -> None:
    own = OwnPace()

    for second in range(10):
        own.freeze(0.5, now=clock.now + second)

    assert own.factor == 0.1


def test_slot_waits_until_its_instant(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)
    slot = next(got for got in iter(lambda: limiter.reserve(5_000), None) if isinstance(got, Slot))
    pause = slot.fire_in_s

    kept = slot.wait()

    assert kept
    assert clock.slept == [pause] if pause else clock.slept == []
    assert slot.fire_in_s == 0


@pytest.mark.parametrize(("late_by", "kept"), [(0.079, True), (0.081, False)])
def test_slot_is_kept_up_to_80_ms_late(clock: FakeClock, late_by: float, *, kept: bool) -> None:
    slot = limiter_alone(clock).reserve(5_000)
    assert isinstance(slot, Slot)

    clock.now = slot.fires_at + late_by

    assert slot.wait() is kept


def test_slot_slept_past_its_instant_is_not_kept(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)
    limiter.reserve(5_000)
    slot = limiter.reserve(5_000)
    assert isinstance(slot, Slot)
    clock.oversleeps = 0.1

    kept = slot.wait()

    assert not kept


def test_late_slot_is_given_back(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)
    slot = limiter.reserve(5_000)
    assert isinstance(slot, Slot)
    clock.now = slot.fires_at + 0.1

    slot.wait()

    again = limiter.reserve(5_000)
    assert isinstance(again, Slot)
    assert again.fires_at - slot.fires_at == pytest.approx(1 / 4.5)  # not two rounds later


def test_give_back_after_a_later_reservation_changes_nothing(clock: FakeClock) -> None:
    limiter = limiter_alone(clock)
    first, second = limiter.reserve(5_000), limiter.reserve(5_000)
    assert isinstance(first, Slot)
    assert isinstance(second, Slot)

    undone = limiter.give_back(first)

    assert not undone
    third = limiter.reserve(5_000)
    assert isinstance(third, Slot)
    assert third.instant > second.instant


def test_lifted_limit_without_broker_does_not_sleep(clock: FakeClock) -> None:
    limiter = limiter_alone(clock, limit=None)

    sent = 0
    for _ in range(1_000):
        got = limiter.reserve()
        sent += isinstance(got, Slot) and got.wait()
        clock.now += 0.001

    assert sent == 1_000
    assert sum(clock.slept) < 0.001


@pytest.mark.parametrize(
    ("announced", "paced"),
    [
        (None, 0),
        (0, 0),
        (100_000, 0),
        (1_000_000, 0),
        (99_999, 99_999),
        (2.5, 2),
        (1, 1),
        (0.5, 0.5),
    ],
)
def test_paced_limit_counts_whole_requests(announced: float | None, paced: float) -> None:
    assert paced_limit(announced) == paced


@pytest.mark.parametrize("junk", [None, math.nan, math.inf, -1])
def test_observing_no_sensible_limit_changes_nothing(clock: FakeClock, junk: float | None) -> None:
    limiter = limiter_alone(clock, limit=7)

    limiter.observe(junk)

    assert limiter.peek().limit == 7


@pytest.mark.parametrize(("max_wait_ms", "lead_ms"), [(-1, 0), (5_001, 0), (500, 501), (500, -1)])
def test_reserve_with_senseless_waits_names_the_limit(
    clock: FakeClock, max_wait_ms: int, lead_ms: int
) -> None:
    limiter = limiter_alone(clock)

    with pytest.raises(ValueError, match=r"(max_wait|lead)_ms is -?\d+; give 0 to"):
        limiter.reserve(max_wait_ms, lead_ms=lead_ms)


def test_lead_time_keeps_the_slot_away(clock: FakeClock) -> None:
    limiter = limiter_alone(clock, limit=1_000)

    slot = limiter.reserve(2_000, lead_ms=1_200)

    assert isinstance(slot, Slot)
    assert slot.fire_in_s >= 1.2
