"""Texts go out while the provider fails, workers die, and the servers under them fall over.

The provider knows no idempotency key: what must hold is that no number gets a text twice, that the
sent log equals the provider's, and that nothing is in doubt but what nobody can know.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from tests.rows import Row
from tests.stations import QUICK
from tests.texting import LIFTED, WORKER, TextingStation

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT = 60
# A broker that was restarted knows nothing of the seats in use until their workers ask again.
MOST_AT_A_KILL = IN_FLIGHT + IN_FLIGHT // 2

# A fifth of the answers are faulty, most of them after the text was accepted.
FAULTS = {
    "500_before": 0.03,
    "500_after": 0.04,
    "reset_before": 0.02,
    "reset_after": 0.04,
    "timeout_after": 0.01,
    "garbage": 0.02,
    "html_502_after": 0.02,
    "truncated": 0.02,
}


@dataclass(frozen=True)
class Plan:
    """How much is sent, and what happens meanwhile."""

    texts: int
    worker_kills: int
    broker_restarts: int
    database_crashes: int
    seed: int
    deadline_seconds: float = 1_800.0


def run(plan: Plan) -> list[Row]:
    """Sends under `plan`; the rows say whether what must hold did hold."""
    lime = {"latency_ms": 50, "faults": FAULTS, "seed": plan.seed, "hang_seconds": 5}
    with TextingStation("faults", lime=lime, environment=QUICK, durable=True) as running:
        running.configure(transport="single", in_flight=IN_FLIGHT, **LIFTED)
        running.start("sweeper", WORKER, concurrency={WORKER: 2})
        running.reserve(plan.texts)
        started = time.monotonic()
        running.switch(on=True)
        fire = _Fire(running, plan)
        struck = fire.burn()
        running.await_settled(seconds=plan.deadline_seconds)
        took = time.monotonic() - started
        return [
            *struck,
            *_verdicts(running, plan, sum(fire.calling) + fire.at_crashes),
            Row("duration", round(took), "s"),
        ]


class _Fire:
    """Strikes at random moments, spread over the whole by the share that has an outcome."""

    def __init__(self, running: TextingStation, plan: Plan) -> None:
        self._running, self._plan = running, plan
        self._random = random.Random(plan.seed)
        self._killed = 0
        self._left: set[int] = set()
        self.at_crashes = 0
        self.calling: list[int] = []
        """Texts on their way at each kill, by the sent log, while nobody was left to change it."""

    def burn(self) -> list[Row]:
        plan, strikes = self._plan, self._strikes()
        for number, strike in enumerate(strikes):
            self._await_share(number / (len(strikes) + 1))
            time.sleep(self._random.uniform(0, 0.3))
            strike()
        most = max(self.calling, default=0)
        return [
            Row("worker groups killed -9", self._killed, "", f"at least {plan.worker_kills}",
                self._killed >= plan.worker_kills),
            Row("broker restarts", plan.broker_restarts, ""),
            Row("database crashes", plan.database_crashes, ""),
            Row("most texts on their way at a kill", most, "", f"at most {MOST_AT_A_KILL}",
                most <= MOST_AT_A_KILL),
        ]  # fmt: skip

    def _strikes(self) -> list[Callable[[], None]]:
        plan = self._plan
        strikes: list[Callable[[], None]] = [
            *[self._kill_workers] * plan.worker_kills,
            *[self._restart_broker] * plan.broker_restarts,
            *[self._crash_database] * plan.database_crashes,
        ]
        self._random.shuffle(strikes)
        return strikes

    def _kill_workers(self) -> None:
        """Only a group that is at work counts."""
        running = self._running
        running.wait_until(
            lambda: bool(self._newly_calling()) or running.open_texts() == 0,
            seconds=120,
            what="a text to be on its way",
        )
        running.station.kill_group(WORKER)
        left = self._newly_calling()
        self._left |= left
        self.calling.append(len(left))
        self._killed += 1

    def _restart_broker(self) -> None:
        self._running.station.valkey.crash()
        self._running.station.valkey.wait_ready()

    def _crash_database(self) -> None:
        self._running.station.postgres.crash()
        self._running.station.postgres.wait_ready()
        # What was answered while nobody could write it down stays in doubt as well.
        self.at_crashes += IN_FLIGHT
        self._running.database.close()
        self._left |= self._newly_calling()

    def _newly_calling(self) -> set[int]:
        """Texts on their way but for what an earlier strike left, until its lease ends."""
        rows = self._running.query("SELECT id FROM sms_senttext WHERE state = 'calling'")
        return {int(row["id"]) for row in rows} - self._left

    def _await_share(self, share: float) -> None:
        total = self._plan.texts
        self._running.wait_until(
            lambda: self._running.open_texts() <= total * (1 - share),
            seconds=self._plan.deadline_seconds,
            what=f"{share:.0%} of the texts to have an outcome",
        )


def _verdicts(running: TextingStation, plan: Plan, on_their_way: int) -> list[Row]:
    sent, failed, unknown = (_numbers(running, state) for state in ("sent", "failed", "unknown"))
    accepted = running.lime.counts()
    doubled = sum(count - 1 for count in accepted.values())
    faults = sum(running.lime.stats().faults.values())
    doubtful = faults + on_their_way
    settled = len(sent) + len(failed) + len(unknown)
    return [
        Row("texts", plan.texts, ""),
        Row("numbers that got a text twice", doubled, "", "0", doubled == 0),
        Row("with an outcome", settled, "", "all of them", settled == plan.texts),
        Row("sent, and not in the provider's log", len(sent - accepted.keys()), "", "0",
            sent <= accepted.keys()),
        Row("failed, and in the provider's log", len(failed & accepted.keys()), "", "0",
            not failed & accepted.keys()),
        Row("in the provider's log, neither sent nor unknown",
            len(accepted.keys() - sent - unknown), "", "0",
            accepted.keys() <= sent | unknown),
        Row("faulty answers", faults, "", "some", faults > 0),
        Row("unknown", len(unknown), "", f"at most {doubtful}: faulty, or on their way when struck",
            len(unknown) <= doubtful),
    ]  # fmt: skip


def _numbers(running: TextingStation, state: str) -> set[str]:
    try:
        rows = running.query("SELECT phone FROM sms_senttext WHERE state = %s", [state])
    except psycopg.OperationalError:  # the connection is from before the crash
        running.database.close()
        rows = running.query("SELECT phone FROM sms_senttext WHERE state = %s", [state])
    return {row["phone"].removeprefix("+") for row in rows}
