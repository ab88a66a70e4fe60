"""Counting requests in a span of time. Times are monotonic seconds and never go back."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

LIFTED_LIMIT = 1_000_000
"""What a lifted limit announces, in requests per second."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request was let in, and what the answer's rate limit headers say."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int


class Window(Protocol):
    def admit(self, now: float, *, limit: int) -> Admission: ...


def _seconds(duration: float) -> int:
    return max(1, math.ceil(duration))


class SlidingWindow:
    """Never more than `limit` admitted requests in any span of so many seconds: (t - span, t].

    A refused request does not count, so a client that keeps asking is let in again in time.
    """

    def __init__(self, *, span_seconds: float = 1.0) -> None:
        self._admitted: deque[float] = deque()
        self._span = span_seconds

    def admit(self, now: float, *, limit: int) -> Admission:
        admitted, span = self._admitted, self._span
        while admitted and now - admitted[0] >= span:
            admitted.popleft()
        allowed = len(admitted) < limit
        if allowed:
            admitted.append(now)
        reset = admitted[0] + span - now if admitted else span
        return Admission(allowed, limit, max(0, limit - len(admitted)), _seconds(reset))


class FixedWindow:
    """At most `limit` per second of the clock; two neighbours may let twice that through."""

    def __init__(self) -> None:
        self._second = -1
        self._count = 0

    def admit(self, now: float, *, limit: int) -> Admission:
        second = math.floor(now)
        if second != self._second:
            self._second, self._count = second, 0
        allowed = self._count < limit
        self._count += allowed
        return Admission(allowed, limit, max(0, limit - self._count), _seconds(second + 1 - now))


class PeakCounter:
    """The largest number of events seen in any span of one second, (t - 1, t]."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self.peak = 0

    def record(self, now: float) -> None:
        recent = self._recent
        recent.append(now)
        while now - recent[0] >= 1.0:
            recent.popleft()
        self.peak = max(self.peak, len(recent))
