"""Pacing without the broker: each process keeps to a fraction of the budget by itself."""

from __future__ import annotations

import random
from dataclasses import dataclass

from apps.queues.limiting.rates import (
    FACTOR_FLOOR,
    LIFTED_AT,
    OWN_SHARE,
    PACE,
    RECOVERY_PER_S,
)


@dataclass(slots=True)
class OwnPace:
    """GCRA on a monotonic clock, at half of the pace divided by the live workers.

    Not safe for threads; the limiter holds its lock around it. All instants are monotonic.
    """

    workers_floor: int = 1
    workers: int = 1
    last: float | None = None
    """The newest slot of this process, whoever granted it."""
    granted: int = 0
    """Slots granted here since the broker was lost."""
    frozen_until: float = 0.0
    factor: float = 1.0
    changed_at: float = 0.0

    def gap(self, limit: float, *, now: float) -> float:
        """Seconds between two slots. `limit` in requests a second; 0: lifted."""
        share = OWN_SHARE / max(self.workers, self.workers_floor)
        return 1.0 / (PACE * (limit or LIFTED_AT) * share * self._factor(now))

    def start(self, limit: float, *, now: float) -> None:
        """The broker was lost: begin at a random point of the gap.

        All workers lose it at the same moment; if each sent at once, they would exceed the limit.
        """
        gap = self.gap(limit, now=now)
        first = now + random.uniform(0, gap)  # noqa: S311 - spreading, not secrecy
        self.last = max(first - gap, self.last if self.last is not None else first - gap)
        self.granted = 0

    def next_slot(self, limit: float, *, now: float) -> float:
        paced = now if self.last is None else self.last + self.gap(limit, now=now)
        return max(now, paced, self.frozen_until)

    def grant(self, slot: float) -> None:
        self.last = slot
        self.granted += 1

    def freeze(self, seconds: float, *, now: float) -> None:
        if now >= self.frozen_until:
            self.factor = max(FACTOR_FLOOR, self._factor(now) / 2)
        self.frozen_until = max(self.frozen_until, now + seconds)
        self.changed_at = self.frozen_until

    def _factor(self, now: float) -> float:
        return min(1.0, self.factor + max(0.0, now - self.changed_at) * RECOVERY_PER_S)
