"""Where the broker's clock stands against this process's monotonic one."""

from __future__ import annotations

from dataclasses import dataclass

DRIFT = 500e-6
"""What two clocks may part per second; the most by which time services slew one."""


@dataclass(slots=True)
class BrokerClock:
    """The difference between the clocks, as an interval that each answer narrows.

    The broker read its clock somewhere between question and answer, so one answer knows it as
    closely as it was fast. Kept over many, the interval is that of the fastest, and an answer
    that took long, because this process had to wait for a processor, spoils no slot. Seconds.
    """

    low: float = 0.0
    high: float = float("inf")
    learned_at: float = 0.0

    @property
    def width(self) -> float:
        return self.high - self.low

    @property
    def ahead_s(self) -> float:
        """Our best guess of the difference; 0 as long as nothing is known."""
        return (self.low + self.high) / 2 if self.width < float("inf") else 0.0

    def learn(self, broker_now: float, *, asked_at: float, received_at: float) -> None:
        low, high = broker_now - received_at, broker_now - asked_at
        parted = DRIFT * (received_at - self.learned_at)
        known_low, known_high = self.low - parted, self.high + parted
        self.learned_at = received_at
        if low > known_high or high < known_low:  # one of the clocks was set
            self.low, self.high = low, high
        else:
            self.low, self.high = max(low, known_low), min(high, known_high)

    def latest(self, instant: float) -> float:
        """An instant of the broker's on our clock: it has come by then."""
        return instant - self.low

    def earliest(self, instant: float) -> float:
        """The same: it has not come before that."""
        return instant - self.high
