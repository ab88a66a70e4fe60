"""Pacing without the broker: each process keeps to a fraction of the budget by itself."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from apps.queues.limiting.rates import (
    FACTOR_FLOOR,
    GRACE_S,
    LIFTED_AT,
    OWN_SHARE,
    PACE,
    RECOVERY_PER_S,
)


@dataclass(slots=True)
class OwnPace:
    """Every worker has a seat, and sends once per round, from its seat's place in it.

    A round is as long as half of the pace allows for all seats together, so that no second ever
    holds more than half of the limit, however many workers there are. Rounds are counted on the
    broker's clock, as it was known when it was lost. They have 1, 2, 4, 8 … places: workers that
    counted one another differently then still meet in twos at most, and half of the limit is left
    for that. Who never met the broker has no seat and takes a place by chance.

    Not safe for threads; the limiter holds its lock around it. All instants are monotonic.
    """

    workers_floor: int = 1
    workers: int = 1
    pace: float = PACE
    seat: float | None = None
    """From 0, told by the broker."""
    seats: int = 0
    """Up to the furthest one that is taken."""
    last: float | None = None
    """The newest slot of this process, whoever granted it."""
    granted: int = 0
    """Slots granted here since the broker was lost."""
    frozen_until: float = 0.0
    factor: float = 1.0
    changed_at: float = 0.0
    _place: float = 0.0
    _broker_ahead_s: float = 0.0
    _starts_at: float = 0.0

    def gap(self, limit: float, *, now: float) -> float:
        """Seconds between two slots. `limit` in requests a second; 0: lifted."""
        return self._round(limit) / self._factor(now)

    def start(self, limit: float, *, now: float, broker_ahead_s: float = 0.0) -> None:
        """The broker was lost; its clock was so far ahead of ours.

        What it granted to others is still to be sent, so that this begins after it.
        """
        places = self._places()
        self._place = random.uniform(0, places) if self.seat is None else self.seat  # noqa: S311
        self._broker_ahead_s = broker_ahead_s
        self._starts_at = now + GRACE_S if limit else now
        self.granted = 0

    def next_slot(self, limit: float, *, now: float, lead_s: float = 0.0) -> float:
        """The first place of ours from which everything allows to send."""
        earliest = max(now + lead_s, self.frozen_until, self._starts_at)
        if self.last is not None:
            # A hair less than the gap: the next place itself must not be missed by rounding.
            earliest = max(earliest, self.last + self.gap(limit, now=now) * (1 - 1e-6))
        whole_round = self._round(limit)
        offset = self._place * self._step(limit) - self._broker_ahead_s
        rounds = math.ceil((earliest - offset) / whole_round)
        return max(earliest, rounds * whole_round + offset)

    def grant(self, slot: float) -> None:
        self.last = slot
        self.granted += 1

    def freeze(self, seconds: float, *, now: float) -> None:
        if now >= self.frozen_until:
            self.factor = max(FACTOR_FLOOR, self._factor(now) / 2)
        self.frozen_until = max(self.frozen_until, now + seconds)
        self.changed_at = self.frozen_until

    def _step(self, limit: float) -> float:
        """Seconds between two neighbouring places."""
        return 1.0 / (self.pace * (limit or LIFTED_AT) * OWN_SHARE)

    def _round(self, limit: float) -> float:
        return self._places() * self._step(limit)

    def _places(self) -> int:
        return 1 << (max(self.workers, self.workers_floor, self.seats, 1) - 1).bit_length()

    def _factor(self, now: float) -> float:
        return min(1.0, self.factor + max(0.0, now - self.changed_at) * RECOVERY_PER_S)
