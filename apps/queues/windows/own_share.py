"""What a worker may do that cannot reach the broker: a fraction, never nothing, never all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.queues.windows.limits import Limits

SHARE = 0.08
"""Of the tenth that `window.lua` never grants; the rest is for the ends of minutes: a pace of n in
a minute may put n + 1 into one."""


@dataclass(slots=True)
class OwnShare:
    """A worker's own pace: an equal part of what all workers without the broker may do together.

    It is kept apart from what the broker grants, so that both together stay within the limits
    however many workers have lost touch. All instants are monotonic.
    """

    last: float = float("-inf")
    seats: int = 0
    """Held when the broker was lost; nobody else got them meanwhile."""

    def gap_s(self, limits: Limits, workers: int) -> float:
        by_minute = 60 * workers / (SHARE * limits.per_minute) if limits.per_minute else 0.0
        return max(by_minute, limits.apart_s * workers)

    def next_turn(self, limits: Limits, workers: int, *, now: float) -> float:
        return max(now, self.last + self.gap_s(limits, workers))
