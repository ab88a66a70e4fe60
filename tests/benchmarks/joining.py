"""How quickly people can subscribe while workers are busy, and while the broker does not answer.

Arrivals come at their times whatever became of those before (an open loop): an answer that is late
delays nobody else's question, and its lateness counts in full.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from apps.station.local.ports import LOOPBACK
from tests.rows import Row
from tests.stations import CAMPAIGN_PROGRAMS, SendingStation

if TYPE_CHECKING:
    from collections.abc import Iterator

PER_SECOND = 50
SECONDS = 60
FROZEN_SECONDS = 20
WARM_SECONDS = 2
PROGRAMS = (*CAMPAIGN_PROGRAMS, "web", "drainer", "worker-single-email")
ORIGIN = "https://www.harbour.example"
BUSY_MAILS = 20_000
ACCEPTED = 202
_RULES = """
INSERT INTO newsletter_joiningrules (brand_id, double_opt_in, origins, shows_count)
VALUES (%s, true, ARRAY[%s], true)
"""
# One client stands for a thousand people here, so its allowance must be theirs.
ENVIRONMENT = {
    "FLUX_BUCKET_EMAIL_CLIENT_PER_SECOND": "10000",
    "FLUX_BUCKET_EMAIL_CLIENT_BURST": "10000",
}


@dataclass(frozen=True)
class Arrival:
    """One question: seconds from when it was due to its answer, and the status (0: none)."""

    seconds: float
    status: int


class Crowd:
    """Asks over connections that are kept, one per thread, as a proxy does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._mine = threading.local()

    def subscribe(self, number: int, due_at: float) -> Arrival:
        time.sleep(max(0.0, due_at - time.monotonic()))
        body = f'{{"brand": "harbour", "email": "joiner{number}@people.example"}}'
        status = self._post(body)
        return Arrival(time.monotonic() - due_at, status)

    def _post(self, body: str) -> int:
        headers = {"Content-Type": "application/json", "Origin": ORIGIN}
        try:
            connection = self._connection()
            connection.request("POST", "/api/email/subscribe", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._mine.connection = None
            return 0
        return answer.status

    def _connection(self) -> HTTPConnection:
        found: HTTPConnection | None = getattr(self._mine, "connection", None)
        if found is None:
            found = self._mine.connection = HTTPConnection(LOOPBACK, self._port, timeout=30)
        return found


def subscribe() -> list[Row]:
    """50 a second for a minute with busy workers beside, then 20 s with a frozen broker."""
    with SendingStation(
        "bench", environment=ENVIRONMENT, sandbox={"rate_limit": 0, "latency_ms": 200}, durable=True
    ) as running:
        running.start(*PROGRAMS)
        running.execute(_RULES, [running.brand_id, ORIGIN])
        return measure(running)


def measure(running: SendingStation) -> list[Row]:
    """At a station whose programs run and whose brand has joining rules."""
    running.add_contacts(BUSY_MAILS)
    crowd = Crowd(running.station.web_port)
    warm = _arrive(crowd, first=0, seconds=WARM_SECONDS)
    running.launch(running.create_campaign())
    busy = _arrive(crowd, first=1_000, seconds=SECONDS)
    with _broker_frozen(running):
        frozen = _arrive(crowd, first=100_000, seconds=FROZEN_SECONDS)
    taken = sum(one.status == ACCEPTED for one in [*warm, *busy, *frozen])
    running.wait_until(
        lambda: _joined(running) >= taken, seconds=240, what=f"{taken} people to be contacts"
    )
    return [
        *_rows("workers busy", busy, goal_ms=150),
        *_rows("broker frozen", frozen, goal_ms=300),
        Row("people who were answered and are contacts afterwards", taken, "", "all", ok=True),
    ]


def _arrive(crowd: Crowd, *, first: int, seconds: int) -> list[Arrival]:
    starts_at = time.monotonic() + 0.2
    with ThreadPoolExecutor(PER_SECOND * 2) as threads:
        asked = [
            threads.submit(crowd.subscribe, first + number, starts_at + number / PER_SECOND)
            for number in range(PER_SECOND * seconds)
        ]
        return [one.result() for one in asked]


def _joined(running: SendingStation) -> int:
    (row,) = running.query(
        "SELECT count(*) AS number FROM contacts_contact WHERE address LIKE 'joiner%%'"
    )
    return int(row["number"])


@contextmanager
def _broker_frozen(running: SendingStation) -> Iterator[None]:
    """Alive, connected, and silent."""
    (pid,) = running.station.pids("valkey")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _rows(what: str, arrivals: list[Arrival], *, goal_ms: int) -> list[Row]:
    millis = sorted(one.seconds * 1000 for one in arrivals)
    cuts = statistics.quantiles(millis, n=100, method="inclusive")
    failed = sum(one.status != ACCEPTED for one in arrivals)
    name = f"subscribe, {PER_SECOND}/s, {what}"
    return [
        Row(f"{name}: p50", round(cuts[49], 1), "ms"),
        Row(f"{name}: p95", round(cuts[94], 1), "ms", f"under {goal_ms}", cuts[94] < goal_ms),
        Row(f"{name}: p99", round(cuts[98], 1), "ms"),
        Row(f"{name}: errors", failed, "", "0", failed == 0),
    ]
