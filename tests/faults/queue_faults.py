"""The faults of queues, each with a station of its own, or all of them in one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.faults import dying_workers, falling_servers, half_open, odd_wake_ups
from tests.faults.field import ENVIRONMENT, PROGRAMS, SANDBOX, WORKERS, Field, titled
from tests.stations import QUICK, SendingStation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.rows import Row

    Scenario = Callable[[Field], list[Row]]

LEASE_SECONDS = float(QUICK["FLUX_BATCH_LEASE_SECONDS"])
CONCURRENCY = 4
# Workers speak every ten seconds.
PATIENCE_SECONDS = 20.0


def run(scenarios: Iterable[tuple[str, Scenario]], *, recipients: int, seed: int) -> list[Row]:
    """Runs the scenarios one after the other in one station."""
    rows: list[Row] = []
    sandbox = {**SANDBOX, "seed": seed}
    environment = {**QUICK, **ENVIRONMENT}
    with SendingStation(
        "faults", environment=environment, sandbox=sandbox, durable=True
    ) as running:
        running.start(*PROGRAMS, concurrency={WORKERS: CONCURRENCY})
        running.add_contacts(recipients)
        ground = Field(running, seed, recipients)
        for title, scenario in scenarios:
            rows += titled(title, scenario(ground))
    return rows


def one(title: str, scenario: Scenario, *, recipients: int) -> Callable[[int], list[Row]]:
    return lambda seed: run([(title, scenario)], recipients=recipients, seed=seed)


LONG: dict[str, Callable[[int], list[Row]]] = {
    "worker-kills": one("kills", partial(dying_workers.kills, times=100), recipients=20_000),
    "rolling-restarts": one(
        "rolling", partial(dying_workers.rolling_restarts, times=20), recipients=40_000
    ),
    "stopped-workers": one(
        "stopped",
        partial(dying_workers.stopped_past_the_lease, times=5, lease_seconds=LEASE_SECONDS),
        recipients=10_000,
    ),
    "silent-worker": one(
        "silent", partial(dying_workers.silent, patience_seconds=PATIENCE_SECONDS), recipients=5_000
    ),
    "broker-restarts": one(
        "broker restarts", partial(falling_servers.broker_restarts, times=30), recipients=40_000
    ),
    "broker-frozen": one(
        "frozen", partial(falling_servers.broker_frozen, seconds=60), recipients=20_000
    ),
    "broker-emptied": one(
        "emptied", partial(falling_servers.broker_emptied, times=10), recipients=10_000
    ),
    "broker-full": one("full", partial(falling_servers.broker_full, seconds=30), recipients=20_000),
    "database-crashes": one(
        "crashes", partial(falling_servers.database_crashes, times=10), recipients=20_000
    ),
    "database-sessions": one(
        "sessions", partial(falling_servers.database_sessions_ended, times=10), recipients=10_000
    ),
    "database-read-only": one(
        "read-only", partial(falling_servers.database_read_only, seconds=60), recipients=10_000
    ),
    "fivefold": one("fivefold", odd_wake_ups.fivefold, recipients=10_000),
    "half-open": one("half-open", partial(half_open.half_open, times=2), recipients=10_000),
    "skewed-clock": one("skewed", odd_wake_ups.skewed_clock, recipients=10_000),
}

SHORT: tuple[tuple[str, Scenario], ...] = (
    ("kills", partial(dying_workers.kills, times=3)),
    ("broker restarts", partial(falling_servers.broker_restarts, times=2)),
    ("frozen", partial(falling_servers.broker_frozen, seconds=25)),
    ("sessions", partial(falling_servers.database_sessions_ended, times=2)),
    ("read-only", partial(falling_servers.database_read_only, seconds=3)),
    ("fivefold", odd_wake_ups.fivefold),
)
SHORT_RECIPIENTS = 2_000
