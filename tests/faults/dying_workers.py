"""Workers that are killed, restarted and stopped in the middle of their work."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from apps.station.local.controlling import notify_socket
from tests.faults.field import LATENCY_MS, PROGRAMS, WORKERS, await_ready, besiege, leaders
from tests.rows import Row

if TYPE_CHECKING:
    from tests.faults.field import Campaign, Field

CLAIM_GOAL_SECONDS = 30.0
EXIT_GOAL_SECONDS = 30.0
SECOND = "worker-batch-email-second"
WATCHED = "worker-batch-email-watched"
# The share of kills that take a whole worker: it needs seconds to come back, a child none.
WHOLE_GROUPS = 0.15
# Long enough to be stopped in the middle of; within a call's total deadline.
SLOW_MS = 800
_POLL_SECONDS = 0.05


@dataclass
class _Orphans:
    """Batches that were in somebody's hands at a kill, until somebody else has them."""

    ground: Field
    waits: dict[int, tuple[int, float]] = field(default_factory=dict)
    worst_seconds: float = 0.0

    def add(self, in_flight: dict[int, int]) -> None:
        now = time.monotonic()
        for batch, fence in in_flight.items():
            self.waits[batch] = (fence, now)

    def look(self) -> None:
        """Lets go of those that were claimed again or settled by whoever survived."""
        rows = self.ground.running.query(
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
    orphans = _Orphans(ground)
    killed = 0

    def strike(campaign: Campaign) -> None:
        nonlocal killed
        orphans.follow(seconds=ground.random.uniform(0, 0.3))
        in_flight = campaign.in_flight()
        killed += _kill_some(ground)
        orphans.add(in_flight)

    siege = besiege(
        ground,
        "killed workers",
        times=times,
        act=strike,
        afterwards=lambda _: orphans.follow_to_the_end(),
    )
    await_ready(ground.running, WORKERS)  # the next fault counts processes that end
    return [
        Row("kill -9 of workers", siege.struck, "", f"{times}", siege.struck == times),
        Row("processes killed", killed, "", f"at least {times}", killed >= times),
        Row("worst time until claimed again", round(orphans.worst_seconds, 1), "s",
            f"at most {CLAIM_GOAL_SECONDS:g}", orphans.worst_seconds <= CLAIM_GOAL_SECONDS),
        *siege.rows,
    ]  # fmt: skip


def _kill_some(ground: Field) -> int:
    """Only a kill that hits counts: waits until the group is up. Mostly a child, now and then all.

    Returns how many processes that were.
    """
    leader, children = _await_workers(ground)
    whole = ground.random.random() < WHOLE_GROUPS
    chosen = [leader, *children] if whole else [ground.random.choice(children)]
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(chosen)


def _await_workers(ground: Field) -> tuple[int, list[int]]:
    """Until the group has children; returns its first process and them."""
    leader, children = 0, list[int]()

    def are_up() -> bool:
        nonlocal leader, children
        leader = leaders(ground.running)[WORKERS]
        children = [one for one in ground.running.station.pids(WORKERS) if one != leader]
        return bool(leader and children)  # 0 between two lives; to kill that is to kill ourselves

    ground.running.wait_until(are_up, seconds=120, what="workers to be up")
    return leader, children


def rolling_restarts(ground: Field, *, times: int) -> list[Row]:
    """SIGTERM to all workers, one program after the other, under load."""
    supervision = ground.running.station.supervision
    slowest = 0.0

    def restart(_: Campaign) -> None:
        nonlocal slowest
        for program in (one for one in PROGRAMS if one.startswith("worker-")):
            started = time.monotonic()
            supervision.stop(program)
            slowest = max(slowest, time.monotonic() - started)
            supervision.start_again(program)

    siege = besiege(ground, "rolling restarts", times=times, act=restart)
    return [
        Row("rolling restarts", siege.struck, "", f"{times}", siege.struck == times),
        Row("slowest exit", round(slowest, 1), "s", f"at most {EXIT_GOAL_SECONDS:g}",
            slowest <= EXIT_GOAL_SECONDS),
        *siege.rows,
    ]  # fmt: skip


def stopped_past_the_lease(ground: Field, *, times: int, lease_seconds: float) -> list[Row]:
    """Two worker groups take turns: the one at work is stopped in mid-call, the other takes over.

    When the first goes on, what it holds belongs to the other long since.
    """
    running = ground.running
    running.station.supervision.stop("drainer")  # which would take over as well
    running.start_variant(WORKERS, name=SECOND, application="config", environment={}, concurrency=2)
    await_ready(running, SECOND)
    groups = [running.station.pids(WORKERS), running.station.pids(SECOND)]
    _signal(groups[1], signal.SIGSTOP)
    running.sandbox.configure(latency_ms=SLOW_MS)
    campaign = ground.launch("stopped workers")
    stopped = 0
    for number in range(times):
        at_work, resting = groups[number % 2], groups[1 - number % 2]
        if not _await_calls(campaign):
            break
        _signal(at_work, signal.SIGSTOP)
        stopped += 1
        _signal(resting, signal.SIGCONT)
        time.sleep(lease_seconds + 2)
        _signal(at_work, signal.SIGCONT)
        time.sleep(1)
        _signal(at_work, signal.SIGSTOP)
    _signal([*groups[0], *groups[1]], signal.SIGCONT)
    running.sandbox.configure(latency_ms=LATENCY_MS)
    rows = campaign.finish()
    refusals = sum(running.log(one).count('"lease_lost"') for one in (WORKERS, SECOND))
    running.station.supervision.stop(SECOND)
    running.station.supervision.start_again("drainer")
    return [
        Row("workers stopped past their lease", stopped, "", f"{times}", stopped == times),
        Row("late settles refused", refusals, "", "at least 1", refusals >= 1),
        *rows,
        *campaign.executions(),
    ]


def silent(ground: Field, *, patience_seconds: float) -> list[Row]:
    """A worker is stopped in mid-call and never goes on: it lives, and has to be started anew."""
    running, supervision = ground.running, ground.running.station.supervision
    supervision.add_watchdog(patience_seconds=patience_seconds)
    supervision.stop("drainer", WORKERS)  # so that nobody else does its work
    speaks_at = str(notify_socket(supervision.folder))
    running.start_variant(
        WORKERS,
        name=WATCHED,
        application="config",
        environment={"NOTIFY_SOCKET": speaks_at},
        concurrency=2,
    )
    await_ready(running, WATCHED)
    campaign = ground.launch("a silent worker")
    campaign.await_settled(2)
    leader = leaders(running)[WATCHED]
    _signal(running.station.pids(WATCHED), signal.SIGSTOP)
    stopped_at = time.monotonic()
    goal = 3 * patience_seconds
    running.wait_until(
        lambda: leaders(running)[WATCHED] not in {0, leader}, seconds=2 * goal, what="a new worker"
    )
    took = time.monotonic() - stopped_at
    rows = campaign.finish()
    supervision.stop(WATCHED)
    supervision.start_again("drainer", WORKERS)
    return [
        Row("started anew after", round(took, 1), "s", f"at most {goal:g}", took <= goal),
        *rows,
    ]


def _await_calls(campaign: Campaign) -> bool:
    """Waits for calls to be under way; False where the campaign ended before."""
    while not campaign.is_completed():
        if _is_calling(campaign):
            return True
        time.sleep(0.02)
    return False


def _is_calling(campaign: Campaign) -> bool:
    try:
        rows = campaign.ground.running.query(
            "SELECT 1 FROM mail_batch WHERE mailing_id = %s AND state = 'calling'"
            "   AND due_at > statement_timestamp() LIMIT 1",
            [campaign.mailing],
        )
    except psycopg.OperationalError:
        return False
    return bool(rows)


def _signal(pids: list[int], number: signal.Signals) -> None:
    """To all of a group; the first process last, so that it does not see its children change."""
    for pid in reversed(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
