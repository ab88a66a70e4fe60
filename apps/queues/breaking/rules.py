"""When a breaker opens, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Facts of one breaker; everybody who shares it must have the same ones. Spans in seconds.

    It opens on either of two signs: of at least `least_calls` calls within `window_s` a share of
    `error_share` failed (more than 1: never on that); or the last `run` calls failed, and no call
    succeeded for `quiet_s`. The second one notices at once that a provider which served thousands
    is gone.

    It then holds for `hold_s`, twice as long after each failed probe and after each opening that
    follows a closing by less than `window_s`, up to `longest_hold_s`; less up to a quarter, by
    chance. A probe that ends without a word frees its place after `probe_s`.
    """

    window_s: float = 30.0
    least_calls: int = 20
    error_share: float = 0.5
    run: int = 10
    quiet_s: float = 0.0
    hold_s: float = 5.0
    longest_hold_s: float = 300.0
    probe_s: float = 90.0

    def __post_init__(self) -> None:
        if not 0 < self.window_s <= LONGEST_WINDOW_S:
            raise ValueError(f"window_s is {self.window_s}; give up to {LONGEST_WINDOW_S:g}")
        if self.least_calls < 1 or self.run < 1:
            raise ValueError("least_calls and run count calls; give 1 and more")
        if not self.error_share > 0:
            raise ValueError(f"error_share is {self.error_share}; give more than 0")
        if not 0 < self.hold_s <= self.longest_hold_s:
            raise ValueError("hold_s must be positive and at most longest_hold_s")
        if self.probe_s <= 0 or self.quiet_s < 0:
            raise ValueError("probe_s must be positive, and quiet_s not negative")
