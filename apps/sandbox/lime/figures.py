"""What the stand-in counts about itself, and its two logs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.sandbox.journal import Journal


class Lines:
    """Writes the lines of one turn of the loop at once.

    A write per line would cost more than the request it tells of. Answers leave in the next turn,
    so that nobody is told of a text that is not on record.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._waiting: list[dict[str, Any]] = []

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.extend(records)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.journal.append(waiting)

    def clear(self) -> None:
        self._waiting.clear()
        self.journal.clear()

    def close(self) -> None:
        self.flush()
        self.journal.close()


class Figures:
    """Counts by what the client got to see."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.started_at = time.monotonic()
        self.requests: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """Whole requests and single numbers refused, by error id."""
        self.texts = 0
        self.ignored = 0
        """Texts of bulk calls beyond the first 1,000."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.lists_served = 0

    def begin(self) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self) -> None:
        self.in_flight = max(0, self.in_flight - 1)

    def document(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "errors": dict(self.errors),
            "accepted": self.texts,
            "ignored": self.ignored,
            "most_in_flight": self.most_in_flight,
            "lists_served": self.lists_served,
            "cpu_seconds": time.process_time(),
            "uptime_seconds": time.monotonic() - self.started_at,
        }
