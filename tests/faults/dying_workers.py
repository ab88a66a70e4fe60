"""Workers that are killed, restarted and stopped in the middle of their work."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import psycopg

from tests.faults.field import PROGRAMS, WORKERS, over_time
from tests.rows import Row

if TYPE_CHECKING:
    from tests.faults.field import Campaign, Field

CLAIM_GOAL_SECONDS = 30.0
EXIT_GOAL_SECONDS = 30.0
SECOND = "worker-batch-email-second"
_POLL_SECONDS = 0.05


@dataclass
class _Orphans:
    """Batches that were in somebody's hands at a kill, until somebody else has them."""

    campaign: Campaign
    waits: dict[int, tuple[int, float]] = field(default_factory=dict)
    worst_seconds: float = 0.0

    def add(self, in_flight: dict[int, int]) -> None:
        now = time.monotonic()
        for batch, fence in in_flight.items():
            self.waits[batch] = (fence, now)

    def look(self) -> None:
        """Lets go of those that were claimed again or settled by whoever survived."""
        rows = self.campaign.ground.running.query(
            "SELECT id, fence, state FROM mail_batch WHERE id = ANY(%s)", [list(self.waits)]
        )
        for row in rows:
            fence, since = self.waits[row["id"]]
            if row["fence"] > fence or row["state"] == "settled":
                self.worst_seconds = max(self.worst_seconds, time.monotonic() - since)
                del self.waits[row["id"]]

    def follow(self, *, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.look()
            time.sleep(_POLL_SECONDS)

    def follow_to_the_end(self, *, seconds: float = 120) -> None:
        ends_at = time.monotonic() + seconds
        while self.waits and time.monotonic() < ends_at:
            self.look()
            time.sleep(_POLL_SECONDS)
        self.worst_seconds = max(
            [self.worst_seconds, *(time.monotonic() - since for _, since in self.waits.values())]
        )


def kills(ground: Field, *, times: int) -> list[Row]:
    """Kill -9 at random moments: now a whole group, now a child of it."""
    campaign = ground.launch("killed workers")
    orphans = _Orphans(campaign)
    killed = 0

    def strike(_: int) -> None:
        nonlocal killed
        orphans.follow(seconds=ground.random.uniform(0, 0.3))
        in_flight = campaign.in_flight()
        killed += _kill_some(ground)
        orphans.add(in_flight)

    struck = sum(1 for _ in over_time(times, strike, campaign))
    orphans.follow_to_the_end()
    return [
        Row("kill -9 of workers", struck, "", f"{times}", struck == times),
        Row("processes killed", killed, ""),
        *campaign.finish(),
        Row("worst time until claimed again", round(orphans.worst_seconds, 1), "s",
            f"at most {CLAIM_GOAL_SECONDS:g}", orphans.worst_seconds <= CLAIM_GOAL_SECONDS),
        *campaign.executions(),
    ]  # fmt: skip


def _kill_some(ground: Field) -> int:
    pids = ground.running.station.pids(WORKERS)
    if len(pids) > 1 and ground.random.random() < 0.5:
        os.kill(ground.random.choice(pids[1:]), signal.SIGKILL)
        return 1
    return ground.running.station.kill_group(WORKERS)


def rolling_restarts(ground: Field, *, times: int) -> list[Row]:
    """SIGTERM to all workers, one program after the other, under load."""
    campaign = ground.launch("rolling restarts")
    supervision = ground.running.station.supervision
    slowest = 0.0

    def restart(_: int) -> None:
        nonlocal slowest
        for program in (one for one in PROGRAMS if one.startswith("worker-")):
            started = time.monotonic()
            supervision.stop(program)
            slowest = max(slowest, time.monotonic() - started)
            supervision.start_again(program)

    done = sum(1 for _ in over_time(times, restart, campaign))
    return [
        Row("rolling restarts", done, "", f"{times}", done == times),
        Row("slowest exit", round(slowest, 1), "s", f"at most {EXIT_GOAL_SECONDS:g}",
            slowest <= EXIT_GOAL_SECONDS),
        *campaign.finish(),
        *campaign.executions(),
    ]  # fmt: skip


def stopped_past_the_lease(ground: Field, *, times: int, lease_seconds: float) -> list[Row]:
    """SIGSTOP a worker in the middle of calls; another takes over; then SIGCONT."""
    running = ground.running
    running.start_variant(WORKERS, name=SECOND, application="config", environment={}, concurrency=2)
    campaign = ground.launch("stopped workers")
    stopped = 0

    def stop(_: int) -> None:
        nonlocal stopped
        pids = _stop_in_mid_call(campaign)
        stopped += len(pids) > 0
        time.sleep(lease_seconds + 2)
        for pid in reversed(pids):
            _signal(pid, signal.SIGCONT)

    list(over_time(times, stop, campaign))
    rows = campaign.finish()
    refusals = running.log(WORKERS).count('"lease_lost"')
    running.station.supervision.stop(SECOND)
    return [
        Row("workers stopped past their lease", stopped, "", f"{times}", stopped == times),
        Row("late settles refused", refusals, "", "at least 1", refusals >= 1),
        *rows,
        *campaign.executions(),
    ]


def _stop_in_mid_call(campaign: Campaign) -> list[int]:
    """Stops the first worker group at a moment when its own children hold calls."""
    station = campaign.ground.running.station
    for _ in range(400):
        pids = station.pids(WORKERS)
        if campaign.in_flight() and _is_calling(campaign):
            for pid in pids:
                _signal(pid, signal.SIGSTOP)
            return pids
        if campaign.is_completed():
            return []
        time.sleep(0.02)
    return []


def _is_calling(campaign: Campaign) -> bool:
    try:
        rows = campaign.ground.running.query(
            "SELECT 1 FROM mail_batch WHERE mailing_id = %s AND state = 'calling' LIMIT 1",
            [campaign.mailing],
        )
    except psycopg.OperationalError:
        return False
    return bool(rows)


def _signal(pid: int, number: signal.Signals) -> None:
    if psutil.pid_exists(pid):
        os.kill(pid, number)
