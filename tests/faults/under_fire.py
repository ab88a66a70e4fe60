"""A campaign goes out while the provider fails, workers die, and the servers under them fall over.

What must hold at the end: every recipient is in the provider's log exactly once, our ledger equals
it, nothing is left unfinished, and the counts add up to the audience.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.rows import Row
from tests.stations import CAMPAIGN_PROGRAMS, QUICK, SendingStation

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = "worker-batch-email"

# A quarter of the provider's answers are faulty, most of them after it has accepted.
FAULTS = {
    "429": 0.03,
    "500_before": 0.03,
    "500_after": 0.04,
    "reset_before": 0.02,
    "reset_after": 0.04,
    "timeout_after": 0.02,
    "garbage": 0.03,
    "html_502_after": 0.01,
    "truncated": 0.01,
    "slow_drip": 0.02,
}


@dataclass(frozen=True)
class Plan:
    """How much is sent, and what happens meanwhile."""

    recipients: int
    worker_kills: int
    broker_restarts: int
    broker_flushes: int
    database_crashes: int
    seed: int
    rate_limit: int = 8
    deadline_seconds: float = 900.0


@dataclass
class Report:
    """What happened, and what the two ledgers say at the end."""

    seed: int
    rows: list[Row] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)


def run(plan: Plan, *, name: str = "faults") -> Report:
    """Sends under `plan`; the report's rows say whether what must hold did hold."""
    sandbox = {
        "rate_limit": plan.rate_limit,
        "latency_ms": 100,
        "faults": FAULTS,
        "seed": plan.seed,
        "drip_interval_seconds": 0.2,
        "hang_seconds": 5,
    }
    with SendingStation(name, environment=QUICK, sandbox=sandbox, durable=True) as running:
        running.start(*CAMPAIGN_PROGRAMS)
        running.add_contacts(plan.recipients)
        started = time.monotonic()
        mailing = running.launch(running.create_campaign())
        killed = _Fire(running, mailing, plan).burn()
        running.await_completion(mailing, seconds=plan.deadline_seconds)
        took = time.monotonic() - started
        return Report(plan.seed, [*killed, *_verdicts(running, mailing, plan, took)])


class _Fire:
    """Strikes at random moments, spread over the whole campaign by the share already settled."""

    def __init__(self, running: SendingStation, mailing: int, plan: Plan) -> None:
        self._running, self._mailing, self._plan = running, mailing, plan
        self._random = random.Random(plan.seed)
        self._killed = 0

    def burn(self) -> list[Row]:
        """Strikes one after the other; returns how many of each kind hit."""
        strikes = self._strikes()
        for number, (moment, strike) in enumerate(strikes):
            self._await_progress(share=number / (len(strikes) + 1))
            time.sleep(moment)
            strike()
        plan = self._plan
        return [
            Row("worker groups killed -9", self._killed, "", f"at least {plan.worker_kills}",
                self._killed >= plan.worker_kills),
            Row("broker restarts", plan.broker_restarts, ""),
            Row("broker emptied", plan.broker_flushes, ""),
            Row("database crashes", plan.database_crashes, ""),
        ]  # fmt: skip

    def _strikes(self) -> list[tuple[float, Callable[[], None]]]:
        plan, valkey = self._plan, self._running.station.valkey
        strikes: list[Callable[[], None]] = [
            *[self._kill_workers] * plan.worker_kills,
            *[self._restart_broker] * plan.broker_restarts,
            *[valkey.flush_all] * plan.broker_flushes,
            *[self._crash_database] * plan.database_crashes,
        ]
        self._random.shuffle(strikes)
        return [(self._random.uniform(0.0, 1.0), strike) for strike in strikes]

    def _kill_workers(self) -> None:
        """Only a group that is at work counts: wait until one has the mailing in its hands."""
        self._running.wait_until(
            self._is_calling_or_done, seconds=60, what="a batch to be on its way"
        )
        self._running.station.kill_group(WORKERS)
        self._killed += 1

    def _restart_broker(self) -> None:
        self._running.station.valkey.crash()
        self._running.station.valkey.wait_ready()

    def _crash_database(self) -> None:
        self._running.station.postgres.crash()
        self._running.station.postgres.wait_ready()

    def _is_calling_or_done(self) -> bool:
        (row,) = self._running.query(
            "SELECT EXISTS (SELECT 1 FROM mail_batch WHERE state = 'calling'"
            "   AND due_at > statement_timestamp()) AS calling,"
            " NOT EXISTS (SELECT 1 FROM mail_batch WHERE state IN ('planned', 'calling')) AS done"
        )
        return bool(row["calling"] or row["done"])

    def _await_progress(self, *, share: float) -> None:
        self._running.wait_until(
            lambda: self._settled_share() >= share,
            seconds=self._plan.deadline_seconds,
            what=f"{share:.0%} of the batches to be settled",
        )

    def _settled_share(self) -> float:
        (row,) = self._running.query(
            "SELECT count(*) FILTER (WHERE state = 'settled') AS settled,"
            " greatest(count(*), %s) AS total FROM mail_batch WHERE mailing_id = %s",
            [self._plan.recipients // 100, self._mailing],
        )
        return float(row["settled"]) / float(row["total"])


def _verdicts(running: SendingStation, mailing: int, plan: Plan, took: float) -> list[Row]:
    comparison = running.compare(mailing)
    counts = running.counts(mailing)
    sent = counts.get(("sent", ""), 0)
    accepted = list(running.sandbox.accepted())
    recipients = {message.to[0] for message in accepted}
    stats = running.sandbox.stats()
    (row,) = running.query(
        "SELECT sum(size) AS size, sum(sent) AS sent, sum(unknown) AS unknown FROM mail_batch"
        " WHERE mailing_id = %s",
        [mailing],
    )
    lost = plan.recipients - len(recipients)
    doubled = len(accepted) - len(recipients)
    return [
        Row("recipients", plan.recipients, ""),
        Row("sent by our ledger", sent, "", "all of them", sent == plan.recipients),
        Row("lost", lost, "", "0", lost == 0),
        Row("doubled", doubled, "", "0", doubled == 0),
        Row("rows in which the ledgers differ", 0 if comparison.agrees else 1, "", "0",
            bool(comparison.agrees)),
        Row("left unfinished or in doubt", sum(counts.values()) - sent, "", "0",
            sum(counts.values()) == sent),
        Row("sum over batches", int(row["sent"]), "", "equals the audience",
            int(row["sent"]) == int(row["size"]) == plan.recipients),
        Row("faulty answers", sum(stats.faults.values()), "", "some",
            sum(stats.faults.values()) > 0),
        Row("answers repeated from a key", stats.replayed, "", "some", stats.replayed > 0),
        Row("requests", sum(stats.requests.values()), ""),
        Row("most requests in a second", stats.max_requests_per_second, "",
            f"at most {plan.rate_limit}", stats.max_requests_per_second <= plan.rate_limit),
        Row("duration", round(took, 1), "s"),
    ]  # fmt: skip
