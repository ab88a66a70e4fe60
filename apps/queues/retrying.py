"""How long to wait before the next try: one formula for all work."""

from __future__ import annotations

import random
from dataclasses import dataclass


def backoff_seconds(*, attempt: int, base: float, cap: float, spread: float = 0.25) -> float:
    """Exponential from `base`, at most `cap`, with jitter so that tries spread.

    `attempt` counts from 1: the wait after the first failure is about `base` seconds, less up to
    the part `spread` of it.
    """
    grown = min(cap, base * 2.0 ** min(attempt - 1, 32))
    return grown * random.uniform(1 - spread, 1.0)  # noqa: S311 - spreading, not secrecy


@dataclass(frozen=True)
class RetryWaits:
    """The waits of one queue's wake-ups between their tries."""

    base_seconds: float = 0.5
    spread: float = 0.25
    cap_seconds: float = 30.0

    def seconds(self, attempt: int) -> float:
        return backoff_seconds(
            attempt=attempt, base=self.base_seconds, cap=self.cap_seconds, spread=self.spread
        )
