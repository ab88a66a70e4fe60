"""Scripted faults: which request fails, and how. The same seed gives the same faults."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from apps.sandbox.draws import fraction

if TYPE_CHECKING:
    from collections.abc import Mapping


class FaultKind(StrEnum):
    """What goes wrong with one request; see `ACCEPTING` for which of them accept it first."""

    RATE_LIMITED = "429"
    ERROR_BEFORE = "500_before"
    ERROR_AFTER = "500_after"
    UNAVAILABLE = "503"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    GARBAGE = "garbage"
    SLOW_DRIP = "slow_drip"
    HTML_502 = "html_502"
    HTML_502_AFTER = "html_502_after"
    TRUNCATED = "truncated"
    WRONG_COUNT = "wrong_count"
    DELAY = "delay"


ACCEPTING = frozenset(
    {
        FaultKind.ERROR_AFTER,
        FaultKind.RESET_AFTER,
        FaultKind.TIMEOUT_AFTER,
        FaultKind.GARBAGE,
        FaultKind.SLOW_DRIP,
        FaultKind.HTML_502_AFTER,
        FaultKind.TRUNCATED,
        FaultKind.WRONG_COUNT,
        FaultKind.DELAY,
    }
)
"""The provider has done its work under these; only the answer is spoilt."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: FaultKind
    seconds: float | None = None
    """How long a timeout, a delay or the pause between dripped bytes lasts; None: as set."""

    @property
    def accepts(self) -> bool:
        return self.kind in ACCEPTING


class FaultPlan:
    """Decides the fault of each request: one-shots first, then the script, then the rates."""

    def __init__(self) -> None:
        self.count = 0
        """Requests asked about so far."""
        self.drawn: Counter[str] = Counter()
        self._next: deque[Fault] = deque()

    def add_next(self, fault: Fault, *, count: int = 1) -> None:
        """Let the next `count` requests fail like this."""
        self._next.extend([fault] * count)

    def draw(
        self, *, seed: int, rates: Mapping[FaultKind, float], script: Mapping[int, FaultKind]
    ) -> Fault | None:
        """The fault of the next request. `script` maps the n-th request, from 1, to a kind."""
        self.count += 1
        if self._next:
            fault: Fault | None = self._next.popleft()
        elif (kind := script.get(self.count) or self._by_rate(seed, rates)) is not None:
            fault = Fault(kind)
        else:
            fault = None
        if fault is not None:
            self.drawn[fault.kind.value] += 1
        return fault

    def _by_rate(self, seed: int, rates: Mapping[FaultKind, float]) -> FaultKind | None:
        if not rates:
            return None
        left = fraction(seed, "fault", self.count)
        for kind, rate in rates.items():
            left -= rate
            if left < 0:
                return kind
        return None

    def reset(self) -> None:
        self.count = 0
        self.drawn.clear()
        self._next.clear()
