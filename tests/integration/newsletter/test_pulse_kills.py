"""Workers that are killed while they store: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
import time

import pytest

from tests.stations import QUICK, SendingStation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

INTERACTIONS, CALL, KILLS = 60_000, 1_000, 4
WORKER = "worker-pulse"


def test_killed_workers_lose_and_double_nothing() -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    environment = {**QUICK, "FLUX_PULSE_LEASE_SECONDS": "2"}
    with SendingStation("test", environment=environment) as running:
        running.add_contacts(1_000)
        running.start("sweeper", WORKER)
        running.desk.call(
            "tests.benchmarks.engagement_desk:take_interactions",
            brand=running.brand_id, number=INTERACTIONS, size=CALL, within_seconds=120,
        )  # fmt: skip
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.05, 0.5))
            running.station.kill_group(WORKER)
        running.wait_until(
            lambda: not running.query("SELECT 1 FROM newsletter_pulsecall LIMIT 1"),
            seconds=240,
            what="all calls to be stored",
        )
        [found] = running.query(
            "SELECT count(*) AS number, count(DISTINCT event_id) AS events"
            "  FROM newsletter_interaction"
        )
        letters = running.query("SELECT reason FROM queues_deadletter")

    assert (found["number"], found["events"], letters) == (INTERACTIONS, INTERACTIONS, [])
