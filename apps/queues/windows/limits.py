"""What an account bears."""

from __future__ import annotations

from dataclasses import dataclass

MOST_IN_FLIGHT = 5_000
LIFTED_PER_MINUTE = 1_000_000
"""So many requests a minute and more are no limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of all workers together. `apart_s` 0 and `per_minute` 0 mean: no such limit."""

    in_flight: int = 50
    apart_s: float = 0.02
    per_minute: int = 1_000

    def __post_init__(self) -> None:
        if not 1 <= self.in_flight <= MOST_IN_FLIGHT:
            raise ValueError(f"in_flight is {self.in_flight}; give 1 to {MOST_IN_FLIGHT}")
        if not 0 <= self.apart_s <= 60:  # noqa: PLR2004 - a minute
            raise ValueError(f"apart_s is {self.apart_s}; give 0 to 60 seconds")
        if self.per_minute < 0:
            raise ValueError(f"per_minute is {self.per_minute}; give 0 (no limit) or more")
        if self.per_minute >= LIFTED_PER_MINUTE:
            object.__setattr__(self, "per_minute", 0)

    @property
    def is_paced(self) -> bool:
        return bool(self.apart_s or self.per_minute)

    @property
    def largest_share(self) -> int:
        """The most seats that one worker can get; see `window.lua`."""
        return max(1, self.in_flight - self.in_flight // 10)
