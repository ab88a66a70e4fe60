"""The limiter while its broker is emptied, hangs, dies and comes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from apps.queues.limiting import Held, Limiter, Slot, open_broker
from tests.integration.queues.throwaway_valkey import ThrowawayValkey, warm_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ThrowawayValkey]:
    server = ThrowawayValkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def broker(valkey: ThrowawayValkey) -> Iterator[Redis]:
    with open_broker(valkey.url) as client:
        yield client


def limiter(broker: Redis, *, worker: str = "one", workers_floor: int = 1) -> Limiter:
    return Limiter(broker, "account", 10, worker, live_workers_floor=workers_floor)


def next_slot(limiter: Limiter) -> Slot:
    """Come back until a slot is granted."""
    while isinstance(got := limiter.reserve(), Held):
        time.sleep(got.retry_in_s)
    return got


def test_emptied_broker_starts_behind_all_slots_granted_before(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    before = [got for _ in range(8) if isinstance(got := one.reserve(), Slot)]

    valkey.flush()

    after = next_slot(one)
    # A whole gap of the halved pace behind the furthest instant that could have been granted.
    assert after.instant - before[-1].instant >= 1e6 / (0.9 * 10)
    assert 0.5 <= one.peek().factor < 0.9


def test_emptied_broker_is_at_full_pace_three_seconds_later(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    one.reserve()
    valkey.flush()
    one.reserve()

    time.sleep(3.1)

    assert one.peek().factor == 1
    # The limit is remembered by those who knew it.
    assert one.peek().limit == 10


def test_new_process_on_a_new_account_need_not_wait(broker: Redis) -> None:
    slot = limiter(broker).reserve(max_wait_ms=0)

    assert isinstance(slot, Slot)
    assert slot.wait()


def test_dead_broker_leaves_a_fraction_until_it_is_back(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")
    other.reserve()
    one.reserve()

    valkey.kill()
    own = [next_slot(one) for _ in range(3)]
    use = one.peek()
    valkey.start()
    time.sleep(0.6)
    again = next_slot(one)

    assert not any(slot.shared for slot in own)
    assert (use.shared, use.live_workers) == (False, 2)
    # 0.9 x 10 requests a second, half of it, for two workers: 2.25 a second.
    assert own[2].fires_at - own[1].fires_at == pytest.approx(1 / 2.25, abs=0.001)
    assert again.shared
    # Others may still pace themselves: half the pace first.
    assert 0.5 <= one.peek().factor < 0.9


def test_own_slots_count_when_the_broker_is_back(valkey: ThrowawayValkey, broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    one.reserve()
    valkey.kill()
    own = next_slot(one)
    while isinstance(got := one.reserve(), Slot):
        own = got

    valkey.start()
    time.sleep(0.6)
    again = one.reserve(max_wait_ms=2_000)

    assert isinstance(again, Slot)
    assert again.shared
    assert again.fires_at - own.fires_at >= 1 / (0.9 * 10 * 0.5) - 0.01


def test_freeze_during_an_outage_is_told_to_all_afterwards(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")
    one.reserve()
    valkey.kill()

    one.freeze(30)
    valkey.start()
    time.sleep(0.6)
    one.reserve()

    assert isinstance(other.reserve(), Held)
    assert other.peek().frozen_for_s == pytest.approx(28, abs=2)


def test_hanging_broker_costs_its_timeout_once_not_per_call(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    one.reserve()

    valkey.hang()
    started = time.monotonic()
    one.reserve()
    first = time.monotonic() - started
    for _ in range(100):
        one.reserve()
    rest = time.monotonic() - started - first
    valkey.go_on()

    assert 0.4 <= first <= 2
    assert rest < 2
    time.sleep(2.2)
    assert next_slot(one).shared


def test_hanging_broker_takes_no_slot_from_the_own_pace(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    one = limiter(broker, workers_floor=16)  # rounds longer than the hold-down of a hanging broker
    valkey.hang()

    granted: list[Slot] = []
    whole_round = 16 / (0.9 * 10 * 0.5)
    ends_at = time.monotonic() + 3 * whole_round + 2
    while len(granted) < 2 and time.monotonic() < ends_at:
        got = one.reserve()
        if isinstance(got, Slot):
            granted.append(got)
        else:
            time.sleep(got.retry_in_s)
    valkey.go_on()

    assert [slot.shared for slot in granted] == [False, False]


def test_short_interruption_does_not_slow_the_others_down(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker, workers_floor=1_000)  # its own share is too small to send meanwhile
    one.reserve()

    valkey.kill()
    assert isinstance(one.reserve(), Held)
    valkey.start()
    time.sleep(0.6)

    assert next_slot(one).shared
    assert one.peek().factor == 1


def test_broker_that_refuses_to_write_is_treated_as_away(
    valkey: ThrowawayValkey, broker: Redis
) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    broker.config_set("maxmemory", 1)

    slot = next_slot(one)

    assert not slot.shared
