"""The window of an account among many workers, on a real Valkey."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from typing import TYPE_CHECKING

import pytest

from apps.queues.limiting import Held, HeldReason, open_broker
from apps.queues.windows import Limits, Turns, Window
from tests.integration.queues.throwaway_valkey import ThrowawayValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

KEY = "window:{account}"
LIFTED = Limits(in_flight=100, apart_s=0, per_minute=0)


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


def window(
    broker: Redis,
    limits: Limits,
    *,
    worker: str = "one",
    before: tuple[tuple[float, int], ...] = (),
    floor: int = 1,
) -> Window:
    return Window(broker, "account", worker, limits, evidence=lambda: before, workers_floor=floor)


def taken(one: Window, number: int, *, wait_s: float = 1.0) -> Turns:
    got = one.take(number, wanted=number, longest_wait_s=wait_s)
    assert isinstance(got, Turns), got
    return got


def test_no_minute_holds_more_than_the_limit(broker: Redis) -> None:
    limits = Limits(in_flight=5_000, apart_s=0.02, per_minute=1_000)
    workers = [window(broker, limits, worker=f"w{place}") for place in range(3)]
    instants: list[float] = []
    for one, number in zip(itertools.cycle(workers), itertools.cycle([25, 1, 4, 25])):
        got = one.take(number, wanted=number, longest_wait_s=63)
        one.finish(number)
        if isinstance(got, Held):
            break
        instants += [got.fires_at(place) for place in range(number)]

    instants.sort()
    most = max(place + 1 - bisect_left(instants, at - 60) for place, at in enumerate(instants))
    assert 880 <= most <= 900
    # Each of the three has a view of its own of the broker's clock.
    assert instants[899] - instants[0] >= 899 * 0.02 - 0.1
    # The second minute's first turns lie a minute and little more behind the first's.
    assert 60.5 <= instants[900] - instants[0] <= 64


def test_all_workers_together_have_the_seats_of_one_account(broker: Redis) -> None:
    limits = Limits(in_flight=100, apart_s=0, per_minute=0)
    first, second = window(broker, limits), window(broker, limits, worker="two")

    taken(first, 90)
    held = second.take(50, wanted=100)
    first.finish(60)
    first._heard_at = second._heard_at = float("-inf")
    assert isinstance(first.take(50, wanted=100), Held)
    later = second.take(49, wanted=100)

    assert isinstance(held, Held)
    assert isinstance(later, Turns)
    assert first.in_use + second.in_use <= 100


def test_seats_of_what_has_ended_are_sat_in_again_and_by_nobody_else(broker: Redis) -> None:
    limits = Limits(in_flight=100, apart_s=0, per_minute=0)
    first, second = window(broker, limits), window(broker, limits, worker="two")
    taken(first, 100)

    assert isinstance(first.take(30, wanted=100, ended=20), Held)
    assert first.in_use == 100
    assert isinstance(second.take(1, wanted=100), Held)
    assert isinstance(first.take(20, wanted=100, ended=20), Turns)

    assert first.in_use == 100


def test_seats_of_a_dead_worker_come_back(broker: Redis) -> None:
    taken(window(broker, LIFTED, worker="dead"), 90)
    one = window(broker, LIFTED)
    assert isinstance(one.take(50, wanted=50), Held)

    server_seconds, _ = broker.time()
    broker.hset(f"{KEY}:workers", "dead", f"90:90:{(server_seconds - 7) * 1_000_000}")

    one._heard_at = float("-inf")
    taken(one, 50)


def test_lifted_limits_cost_no_round_trip_per_request(broker: Redis) -> None:
    one = window(broker, LIFTED)
    taken(one, 10)
    before = broker.info("commandstats")["cmdstat_evalsha"]["calls"]

    for _ in range(200):
        one.finish(1)
        taken(one, 1)

    assert broker.info("commandstats")["cmdstat_evalsha"]["calls"] - before <= 2


def test_a_lost_state_begins_with_what_the_log_tells(broker: Redis) -> None:
    limits = Limits(in_flight=50, apart_s=0, per_minute=1_000)
    one = window(broker, limits, before=((30.0, 500), (1.0, 390)))

    taken(one, 10)
    more = one.take(10, wanted=20, longest_wait_s=20)

    assert isinstance(more, Held)
    assert 8 < more.retry_in_s < 13  # the 500 leave after 61 seconds; 20 of waiting are offered


def test_a_freeze_holds_everybody(broker: Redis) -> None:
    first, second = window(broker, LIFTED), window(broker, LIFTED, worker="two")
    taken(first, 1)

    first.freeze(5)

    for one in (first, second):
        got = one.take(1, wanted=1)
        assert isinstance(got, Held)
        assert got.reason is HeldReason.FROZEN


def test_without_the_broker_a_worker_goes_on_at_a_fraction(valkey: ThrowawayValkey) -> None:
    nobody = open_broker("redis://127.0.0.1:9", timeout_s=0.05)
    limits = Limits(in_flight=50, apart_s=0.02, per_minute=1_000)
    clock = _Clock()
    counts = []
    for _ in range(10):
        one = Window(
            nobody, "account", "one", limits, evidence=tuple, workers_floor=10, clock=clock
        )
        count = 0
        for _ in range(60 * 4):
            clock.now += 0.25
            if isinstance(one.take(25, wanted=50), Turns):
                one.finish(1)
                count += 1
        counts.append(count)

    assert min(counts) >= 8
    assert sum(counts) <= 100  # the tenth that the broker never grants


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now
