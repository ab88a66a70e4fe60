"""A station that sends campaign after campaign while something is done to it.

Each fault gets a campaign of its own in a station that may be shared, so that the short edition
starts servers and workers once.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import psutil
import psycopg

from tests.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stations import SendingStation

WORKERS = "worker-batch-email"
PROGRAMS = ("sweeper", "drainer", "worker-control", "worker-audience", WORKERS)
RATE_LIMIT = 8
LATENCY_MS = 100
SANDBOX = {"rate_limit": RATE_LIMIT, "latency_ms": LATENCY_MS}
ENVIRONMENT = {"FLUX_DRAIN_AFTER_SECONDS": "2", "FLUX_LIMITER_WORKER_FLOOR": "4"}
MOST_CAMPAIGNS = 20
_READY = re.compile(r'@\S+ ready\.".*"timestamp": "([^"]+)"')
_POLL_SECONDS = 0.02
_TAIL_CHARACTERS = 6_000
# Celery says that it is ready, then looks whether its children live, and ends if one does not.
_GIVEN_UP = "Unrecoverable error"
_TO_GIVE_UP_SECONDS = 1.0


@dataclass
class Field:
    """The station, a seed, and how many people each campaign goes to."""

    running: SendingStation
    seed: int
    recipients: int
    seen: int = 0
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def launch(self, name: str) -> Campaign:
        self.seen = sum(1 for _ in self.running.sandbox.accepted())
        started = time.monotonic()
        mailing = self.running.launch(self.running.create_campaign(name=name))
        return Campaign(self, mailing, self.seen, time.monotonic() - started)


@dataclass
class Campaign:
    """One campaign under way. `launch_seconds` is how long its launch took to answer."""

    ground: Field
    mailing: int
    seen_before: int
    launch_seconds: float

    def settled(self) -> int:
        (row,) = self.ground.running.query(
            "SELECT count(*) AS settled FROM mail_batch"
            " WHERE mailing_id = %s AND state = 'settled'",
            [self.mailing],
        )
        return int(row["settled"])

    def is_completed(self) -> bool:
        return self.ground.running.mailing_state(self.mailing) == "completed"

    def await_settled(self, at_least: int, *, seconds: float = 60) -> None:
        self.ground.running.wait_until(
            lambda: self.settled() >= at_least or self.is_completed(),
            seconds=seconds,
            what=f"{at_least} batches to be settled",
        )

    def await_progress(self, *, seconds: float = 120) -> float:
        """Waits until one more batch is settled than are now; returns the seconds it took."""
        started = time.monotonic()
        before: int | None = None
        while True:
            try:
                now = self.settled()
                before = now if before is None else before
                if now > before or self.is_completed():
                    return time.monotonic() - started
            except psycopg.OperationalError:
                self.ground.running.database.close()
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"no progress in {seconds:g} s\n"
                                   f"{self.ground.running.describe()}")  # fmt: skip
            time.sleep(_POLL_SECONDS)

    def in_flight(self) -> dict[int, int]:
        """Batches that somebody holds, with their fences."""
        rows = self.ground.running.query(
            "SELECT id, fence FROM mail_batch WHERE mailing_id = %s AND fence > 0"
            "   AND state IN ('planned', 'calling') AND due_at > statement_timestamp()",
            [self.mailing],
        )
        return {int(row["id"]): int(row["fence"]) for row in rows}

    def finish(self, *, seconds: float = 600) -> list[Row]:
        """Waits for the end; what must hold after every fault."""
        running, recipients = self.ground.running, self.ground.recipients
        running.await_completion(self.mailing, seconds=seconds)
        accepted = list(running.sandbox.accepted())[self.seen_before :]
        people = {message.to[0] for message in accepted}
        agrees = bool(running.compare(self.mailing).agrees)
        return [
            Row("lost", recipients - len(people), "", "0", len(people) == recipients),
            Row("doubled", len(accepted) - len(people), "", "0", len(accepted) == len(people)),
            Row("rows in which the ledgers differ", 0 if agrees else 1, "", "0", agrees),
        ]

    def executions(self) -> list[Row]:
        """How often batches were called, against how many there were."""
        (row,) = self.ground.running.query(
            "SELECT (SELECT count(*) FROM mail_batchattempt attempt JOIN mail_batch batch"
            "          ON batch.id = attempt.batch_id WHERE batch.mailing_id = %(mailing)s)"
            "       AS calls,"
            " (SELECT count(*) FROM mail_batch WHERE mailing_id = %(mailing)s) AS batches",
            {"mailing": self.mailing},
        )
        return [Row("executions (calls)", int(row["calls"]), ""),
                Row("effects (batches)", int(row["batches"]), "")]  # fmt: skip


def await_ready(running: SendingStation, worker: str) -> None:
    """Waits until the worker that lives now is ready.

    One that loses a child before that ends, and another is started in its place.
    """
    running.wait_until(
        lambda: _is_ready(running, worker), seconds=240, what=f"{worker} to be ready"
    )


def _is_ready(running: SendingStation, worker: str) -> bool:
    log = running.log(worker)
    told = list(_READY.finditer(log))
    if not told or _GIVEN_UP in log[told[-1].end() :]:
        return False
    try:
        since_boot = psutil.Process(leaders(running)[worker]).create_time() - psutil.boot_time()
    except psutil.NoSuchProcess:
        return False
    # psutil knows the boot's moment to the second only, and a worker may be killed within one.
    began_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
    said_at = datetime.fromisoformat(told[-1][1]).timestamp()
    return began_at < said_at < time.time() - _TO_GIVE_UP_SECONDS


def titled(title: str, rows: list[Row]) -> list[Row]:
    return [Row(f"{title}: {row.name}", row.value, row.unit, row.goal, row.ok) for row in rows]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def recovery_rows(values: list[float], *, goal: float) -> list[Row]:
    worst = max(values, default=0.0)
    return [
        Row("recovery p50", round(percentile(values, 0.5), 2), "s"),
        Row("recovery p95", round(percentile(values, 0.95), 2), "s"),
        Row("recovery max", round(worst, 2), "s", f"at most {goal:g}", worst <= goal),
    ]


def leaders(running: SendingStation) -> dict[str, int]:
    """The first process of every program, by its name."""
    return {one.process: one.pid for one in running.station.states()}


def exits_since(before: dict[str, int], running: SendingStation) -> int:
    """How many programs, servers left out, have another process than before.

    Prints the end of the log of each, which says why.
    """
    after = leaders(running)
    ended = [name for name, pid in before.items()
             if name not in {"postgres", "valkey"} and after.get(name) != pid]  # fmt: skip
    for name in ended:
        print(f"--- {name}, which has ended\n{running.log_tail(name, characters=_TAIL_CHARACTERS)}")
    return len(ended)


def over_time(times: int, act: Callable[[Campaign], None], campaign: Campaign) -> int:
    """Acts up to `times` times, each when some more batches are settled; returns how often.

    Ends early with the campaign.
    """
    total = campaign.ground.recipients // 100
    for number in range(times):
        campaign.await_settled(int(total * number / (times + 1)), seconds=300)
        if campaign.is_completed():
            return number
        act(campaign)
    return times


@dataclass
class Siege:
    """How often was struck, and what became of the campaigns meanwhile."""

    struck: int
    rows: list[Row]


def besiege(
    ground: Field,
    name: str,
    *,
    times: int,
    act: Callable[[Campaign], None],
    afterwards: Callable[[Campaign], None] = lambda _: None,
) -> Siege:
    """Strikes `times` times in the middle of a campaign, launching another where one has ended."""
    struck, rows = 0, list[Row]()
    for number in range(1, MOST_CAMPAIGNS + 1):
        campaign = ground.launch(f"{name}, {number}")
        struck += over_time(times - struck, act, campaign)
        afterwards(campaign)
        rows = summed(rows, [*campaign.finish(), *campaign.executions()])
        if struck >= times:
            break
    return Siege(struck, rows)


def summed(rows: list[Row], more: list[Row]) -> list[Row]:
    """The same rows of several campaigns as one: what must be 0 must be so in each."""
    if not rows:
        return more
    return [
        replace(row, value=row.value + other.value, ok=row.ok and other.ok)
        for row, other in zip(rows, more, strict=True)
    ]
