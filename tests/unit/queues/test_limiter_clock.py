"""Knowing the broker's clock from its answers."""

from __future__ import annotations

import random

import pytest

from apps.queues.limiting.broker_clock import BrokerClock

APART = 1_000_000.0  # the broker's clock minus ours


def test_one_answer_tells_the_clock_as_closely_as_it_was_fast() -> None:
    clock = BrokerClock()

    clock.learn(APART + 10.03, asked_at=10.0, received_at=10.1)

    assert clock.width == pytest.approx(0.1)
    assert clock.earliest(APART + 20) <= 20 <= clock.latest(APART + 20)


def test_slow_answer_does_not_spoil_what_a_fast_one_told() -> None:
    clock = BrokerClock()
    clock.learn(APART + 10.0, asked_at=10.0, received_at=10.001)

    clock.learn(APART + 11.2, asked_at=11.0, received_at=11.9)

    assert clock.width < 0.01


def test_true_instant_always_lies_between_the_two() -> None:
    draw = random.Random(7)
    clock, now, apart = BrokerClock(), 50.0, APART
    for _ in range(2_000):
        asked, now = now, now + draw.uniform(0.0001, 0.3)
        read_at = draw.uniform(asked, now)
        clock.learn(apart + read_at, asked_at=asked, received_at=now)
        assert clock.earliest(apart + now) - 1e-6 <= now <= clock.latest(apart + now) + 1e-6
        apart += (now - asked) * draw.uniform(-400e-6, 400e-6)


@pytest.mark.parametrize("step", [-3600.0, -0.5, 0.5, 3600.0])
def test_clock_that_was_set_is_learned_anew(step: float) -> None:
    clock = BrokerClock()
    clock.learn(APART + 10.0, asked_at=10.0, received_at=10.001)

    clock.learn(APART + step + 11.0, asked_at=11.0, received_at=11.002)

    assert clock.earliest(APART + step + 20) <= 20 <= clock.latest(APART + step + 20)
    assert clock.width == pytest.approx(0.002)
