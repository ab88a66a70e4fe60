"""How long to wait before the next try: one formula for all work."""

from __future__ import annotations

import random


def backoff_seconds(*, attempt: int, base: float, cap: float) -> float:
    """Exponential from `base`, at most `cap`, with a quarter of jitter so that tries spread.

    `attempt` counts from 1: the wait after the first failure is about `base` seconds.
    """
    grown = min(cap, base * 2.0 ** min(attempt - 1, 32))
    return grown * random.uniform(0.75, 1.0)  # noqa: S311 - spreading, not secrecy
