"""How long composing takes here, so that slots are reserved as far ahead as it needs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_MS = 100
LONGEST_MS = 450
"""Single mails wait behind what is reserved: no further ahead than this, however slow we are."""
MARGIN = 1.25
FORGETTING = 0.2


@dataclass
class Lead(threading.local):
    """Learns from each batch: quickly when one took longer, slowly when one took less.

    Each thread of a process learns for itself.

    A slot that composing outlives is lost to everybody, whereas one that lies a little further
    ahead than needed costs nothing.
    """

    clock: Callable[[], float] = time.monotonic
    needed_ms: float = SHORTEST_MS
    _started_at: float | None = None

    @property
    def ms(self) -> int:
        """What to ask the limiter for."""
        return round(min(max(SHORTEST_MS, self.needed_ms), LONGEST_MS))

    def start(self) -> None:
        """The slot is reserved, and a batch will be claimed and composed."""
        self._started_at = self.clock()

    def stop(self) -> None:
        """It is ready to leave. Means nothing without a start before."""
        if self._started_at is None:
            return
        took_ms = (self.clock() - self._started_at) * 1000 * MARGIN
        self._started_at = None
        if took_ms > self.needed_ms:
            self.needed_ms = took_ms
        else:
            self.needed_ms += FORGETTING * (took_ms - self.needed_ms)
