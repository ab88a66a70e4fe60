"""The broker and the database: killed, frozen, emptied, full, read-only, without sessions."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg

from tests.faults.field import Siege, besiege, exits_since, leaders, recovery_rows
from tests.rows import Row

if TYPE_CHECKING:
    from tests.faults.field import Campaign, Field

RECOVERY_GOAL_SECONDS = 10.0
LAUNCH_GOAL_SECONDS = 5.0
_OWN_SESSION = "the harness"


def broker_restarts(ground: Field, *, times: int) -> list[Row]:
    """Valkey is killed and comes back; the time from its being back to the next settled batch."""
    before, recoveries = leaders(ground.running), list[float]()

    def crash(campaign: Campaign) -> None:
        ground.running.station.valkey.crash()
        ground.running.station.valkey.wait_ready()
        recoveries.append(campaign.await_progress())

    siege = besiege(ground, "broker restarts", times=times, act=crash)
    exits = exits_since(before, ground.running)
    return [
        Row("broker killed and restarted", siege.struck, "", f"{times}", siege.struck == times),
        *recovery_rows(recoveries, goal=RECOVERY_GOAL_SECONDS),
        Row("process exits", exits, "", "0", exits == 0),
        *siege.rows,
    ]


def broker_frozen(ground: Field, *, seconds: float) -> list[Row]:
    """Valkey answers nothing for a while: launching and sending go on, more slowly."""
    before = leaders(ground.running)
    (pid,) = ground.running.station.pids("valkey")
    os.kill(pid, signal.SIGSTOP)
    frozen_at = time.monotonic()
    try:
        campaign = ground.launch("broker frozen")
        launch = campaign.launch_seconds
        time.sleep(max(0.0, seconds - (time.monotonic() - frozen_at)))
        meanwhile = campaign.settled()
    finally:
        os.kill(pid, signal.SIGCONT)
    recovery = campaign.await_progress()
    exits = exits_since(before, ground.running)
    return [
        Row("broker frozen", round(seconds), "s"),
        Row("launch answered meanwhile", round(launch, 2), "s", f"under {LAUNCH_GOAL_SECONDS:g}",
            launch < LAUNCH_GOAL_SECONDS),
        Row("batches sent meanwhile", meanwhile, "", "some", meanwhile > 0),
        *recovery_rows([recovery], goal=RECOVERY_GOAL_SECONDS),
        Row("process exits", exits, "", "0", exits == 0),
        *campaign.finish(),
    ]  # fmt: skip


def broker_emptied(ground: Field, *, times: int) -> list[Row]:
    recoveries = list[float]()

    def flush(campaign: Campaign) -> None:
        ground.running.station.valkey.flush_all()
        recoveries.append(campaign.await_progress())

    siege = besiege(ground, "broker emptied", times=times, act=flush)
    return [
        Row("FLUSHALL", siege.struck, "", f"{times}", siege.struck == times),
        *recovery_rows(recoveries, goal=RECOVERY_GOAL_SECONDS),
        *siege.rows,
    ]


def broker_full(ground: Field, *, seconds: float) -> list[Row]:
    """Valkey's memory is used up: it refuses every write."""
    campaign = ground.launch("broker full")
    before = leaders(ground.running)
    campaign.await_settled(1)
    with ground.running.station.valkey.server.client() as client:
        client.config_set("maxmemory", 1)
        first = campaign.settled()
        time.sleep(seconds)
        meanwhile = campaign.settled() - first
        client.config_set("maxmemory", 0)
    recovery = campaign.await_progress()
    exits = exits_since(before, ground.running)
    return [
        Row("broker's memory full", round(seconds), "s"),
        Row("batches sent meanwhile", meanwhile, "", "some", meanwhile > 0),
        *recovery_rows([recovery], goal=RECOVERY_GOAL_SECONDS),
        Row("process exits", exits, "", "0", exits == 0),
        *campaign.finish(),
    ]


def database_crashes(ground: Field, *, times: int) -> list[Row]:
    before, recoveries = leaders(ground.running), list[float]()

    def crash(campaign: Campaign) -> None:
        ground.running.station.postgres.crash()
        ground.running.station.postgres.wait_ready()
        recoveries.append(campaign.await_progress())

    siege = besiege(ground, "database crashes", times=times, act=crash)
    return _database_rows(ground, "crashed and restarted", siege, times, recoveries, before)


def database_sessions_ended(ground: Field, *, times: int) -> list[Row]:
    before, recoveries = leaders(ground.running), list[float]()

    def end(campaign: Campaign) -> None:
        with _superuser(ground) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        recoveries.append(campaign.await_progress())

    siege = besiege(ground, "sessions ended", times=times, act=end)
    return _database_rows(ground, "sessions terminated", siege, times, recoveries, before)


def database_read_only(ground: Field, *, seconds: float) -> list[Row]:
    campaign = ground.launch("read-only")
    before = leaders(ground.running)
    campaign.await_settled(2)
    _make_read_only(ground, read_only=True)
    time.sleep(2)  # what was under way ends
    called = _calls(ground)
    time.sleep(seconds)
    sends = _calls(ground) - called
    _make_read_only(ground, read_only=False)
    recovery = campaign.await_progress()
    return [
        Row("database read-only", round(seconds), "s"),
        Row("sends without a committed claim", sends, "", "0", sends == 0),
        *_database_rows(ground, "read-only", Siege(1, campaign.finish()), 1, [recovery], before),
    ]


def _database_rows(  # noqa: PLR0913, PLR0917 - the facts of one table
    ground: Field,
    what: str,
    siege: Siege,
    times: int,
    recoveries: list[float],
    before: dict[str, int],
) -> list[Row]:
    exits = exits_since(before, ground.running)
    failed = _failed_tasks(ground)
    return [
        Row(f"database {what}", siege.struck, "times", f"{times}", siege.struck == times),
        *recovery_rows(recoveries, goal=RECOVERY_GOAL_SECONDS),
        Row("failed tasks after it is up", failed, "", "0", failed == 0),
        Row("process exits", exits, ""),
        *siege.rows,
    ]


def _failed_tasks(ground: Field) -> int:
    letters = ground.running.query(
        "SELECT queue, task, reason, error, first_failed_at FROM queues_deadletter ORDER BY id"
    )
    for letter in letters:
        print(f"--- a dead letter: {letter}")
    return len(letters)


def _calls(ground: Field) -> int:
    return sum(ground.running.sandbox.stats().requests.values())


def _superuser(ground: Field) -> psycopg.Connection[tuple[object, ...]]:
    server = ground.running.station.postgres.server
    return psycopg.connect(server.superuser_url, autocommit=True)


def _make_read_only(ground: Field, *, read_only: bool) -> None:
    """For all sessions, those that are open too."""
    with _superuser(ground) as connection:
        # The superuser's own session is under the setting as well, but ALTER SYSTEM writes no row.
        connection.execute(
            "ALTER SYSTEM SET default_transaction_read_only = on"
            if read_only
            else "ALTER SYSTEM RESET default_transaction_read_only"
        )
        connection.execute("SELECT pg_reload_conf()")
