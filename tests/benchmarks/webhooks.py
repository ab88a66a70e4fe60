"""The provider's events, as fast as they come: how long an answer takes, and what gets lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.webhook_sender import DOUBLE, FORGED, REPLAYED
from tests.rows import Row
from tests.stations import SendingStation

RATE, SECONDS, CONNECTIONS = 500, 20, 40
STEPS = (700, 1_000, 1_400, 2_000)
P99_MS = 50
TOKEN = "t" * 24


def send(running: SendingStation, *, rate: int, seconds: float) -> dict[str, Any]:
    """What the sender tells."""
    order = {
        "port": running.station.web_port,
        "token": TOKEN,
        "secret": running.station.secrets.sandbox_webhook_secret,
        "rate": rate,
        "seconds": seconds,
        "connections": CONNECTIONS,
    }
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.benchmarks.webhook_sender", json.dumps(order)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def expected(number: int) -> tuple[int, int]:
    """How many events are stored, and how many are refused, of so many."""
    bad = {n for n in range(1, number + 1) if n % FORGED == 0 or n % REPLAYED == 0}
    good = {n - (n % DOUBLE == 0) for n in range(1, number + 1) if n not in bad}
    return len(good), len(bad)


def stored(running: SendingStation, run: str) -> int:
    rows = running.query(
        "SELECT count(*) AS number FROM mail_deliveryevent WHERE provider_event_id LIKE %s",
        [f"msg\\_{run}\\_%"],
    )
    return int(rows[0]["number"])


def arrivals() -> list[Row]:
    """500 a second, the sender beside it on the same machine; then ever more of them."""
    with SendingStation("bench", durable=True) as running:
        running.start("web")
        send(running, rate=100, seconds=2)  # what a first request costs
        told = send(running, rate=RATE, seconds=SECONDS)
        good, bad = expected(told["sent"])
        kept, refused = stored(running, told["run"]), told["answers"].get("401", 0)
        return [
            Row("webhooks, 500 a second, p50", round(told["p50_ms"], 1), "ms"),
            Row("webhooks, 500 a second, p99", round(told["p99_ms"], 1), "ms",
                f"under {P99_MS}", told["p99_ms"] < P99_MS),
            Row("events stored, each once", kept, "", f"{good}", kept == good),
            Row("forged and replayed ones refused", refused, "", f"{bad}", refused == bad),
            *_highest(running),
        ]  # fmt: skip


def _highest(running: SendingStation) -> list[Row]:
    """The highest rate at which the sender kept its pace and nothing was lost."""
    best, p99 = 0, 0.0
    for rate in STEPS:
        told = send(running, rate=rate, seconds=8)
        good, bad = expected(told["sent"])
        lost = stored(running, told["run"]) != good or told["answers"].get("401", 0) != bad
        if lost or told["seconds"] > 8 * 1.1:
            break
        best, p99 = rate, told["p99_ms"]
    return [
        Row("the most absorbed without loss", best, "1/s"),
        Row("the same, p99", round(p99, 1), "ms"),
    ]
