"""The operators' pages with a million people and ten million messages; progress while mail goes."""

from __future__ import annotations

import statistics
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.benchmarks.sending import LIFTED, _send, _station
from tests.rows import Row
from tests.stations import SendingStation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.sending import _Started

PEOPLE = 1_000_000
CAMPAIGNS = 10
PAGE_GOAL_MS = 300
READ_GOAL_MS = 10
SENT = 40_000
POLL_SECONDS = 2.0
# Two runs of the same differ by some per cent on a shared machine: so many of each, in turns.
TURNS = 3


def desk_pages() -> list[Row]:
    """Home, a campaign, recipients, a person: on the server, log-in and template included."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(PEOPLE)
        running.desk.call("tests.benchmarks.desk:let_some_leave", within_seconds=300)
        running.desk.call(
            "tests.benchmarks.pages_desk:fill",
            sender=running.sender_id,
            campaigns=CAMPAIGNS,
            within_seconds=1_800,
        )
        found = running.desk.call("tests.benchmarks.pages_desk:time_pages", within_seconds=300)
    return [
        Row(name, round(took), "ms", f"under {PAGE_GOAL_MS}", took < PAGE_GOAL_MS)
        for name, took in found.items()
    ]


def progress_read() -> list[Row]:
    """What reading progress every two seconds costs, and what it costs those who send."""
    with _station(LIFTED) as running:
        _send(running, 1_000)  # warm
        alone, watched, reads = [], [], []
        for _ in range(TURNS):
            alone.append(_send(running, SENT))
            with _watching(running) as seen:
                watched.append(_send(running, SENT))
            reads += seen
    slowdown = (statistics.median(watched) / statistics.median(alone) - 1) * 100
    read = statistics.median(reads)
    return [
        Row("progress read while 40,000 mails go out", round(read, 2), "ms",
            f"under {READ_GOAL_MS}", read < READ_GOAL_MS),
        Row("slowest of them", round(max(reads), 2), "ms"),
        Row("reads", len(reads), ""),
        Row("sending slowed by reading", round(slowdown, 2), "%", "at most 2", slowdown <= 2),
    ]  # fmt: skip


@contextmanager
def _watching(running: _Started) -> Iterator[list[float]]:
    """Reads the progress of the newest mailing as a page does; yields the reads in ms."""
    reads: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            took = running.desk.call("tests.benchmarks.pages_desk:read_progress")
            if took is not None:
                reads.append(float(took))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield reads
    finally:
        over.set()
        watcher.join()
