"""The short edition of the fault runs. Its seed is in the report; the long one is `make faults`."""

from __future__ import annotations

import random

import pytest

from tests.faults import named_points, queue_faults, texts, under_fire
from tests.rows import Row, print_table

pytestmark = pytest.mark.slow


def assert_all_hold(title: str, rows: list[Row]) -> None:
    print_table(title, rows)
    red = [f"{row.name}: {row.value} {row.unit}, goal {row.goal}" for row in rows if not row.ok]
    assert not red


@pytest.mark.timeout(420)
def test_campaign_under_fire_reaches_everybody_exactly_once() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    plan = under_fire.Plan(
        recipients=2_000,
        worker_kills=3,
        broker_restarts=1,
        broker_flushes=1,
        database_crashes=1,
        seed=seed,
        deadline_seconds=300,
    )

    report = under_fire.run(plan)

    assert_all_hold(f"under fire, seed {seed}", report.rows)


@pytest.mark.timeout(420)
def test_worker_killed_at_any_named_point_loses_and_doubles_nothing() -> None:
    rows = named_points.run(recipients=300, kills=1)

    assert_all_hold("named points", rows)


@pytest.mark.timeout(420)
def test_faults_of_queues_lose_and_double_nothing_and_heal() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")

    rows = queue_faults.run(queue_faults.SHORT, recipients=queue_faults.SHORT_RECIPIENTS, seed=seed)

    assert_all_hold(f"faults of queues, seed {seed}", rows)


@pytest.mark.timeout(420)
def test_texts_under_fire_reach_nobody_twice_and_the_ledgers_agree() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")

    rows = texts.run(
        texts.Plan(
            texts=3_000,
            worker_kills=3,
            broker_restarts=1,
            database_crashes=1,
            seed=seed,
            deadline_seconds=300,
        )
    )

    assert_all_hold(f"texts under fire, seed {seed}", rows)
