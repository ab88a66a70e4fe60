"""The figures of the limiter. `lua/limiter.lua` keeps the same ones for the shared budget."""

from __future__ import annotations

import math

PACE = 0.9
"""Share of the provider's limit we use. Any L + 1 slots in a row then span 1.111 s, so a request
may leave up to `LATE_S` after its instant and still no second ever holds more than L."""

LATE_S = 0.08
SPARE_S = 1 / PACE - 1 - LATE_S
"""What is left of that span for the way to the provider, whose length varies."""

OWN_SHARE = 0.5
"""Part of the pace that all workers together keep to while the broker is away. Half, so that it
holds even where two workers sit in one seat, because one counted fewer of them than the other."""

GRACE_S = 1.0
"""Slots granted before the broker was lost lie this far ahead; `limiter.lua` says the same."""

LIFTED_AT = 100_000
"""Requests a second from which on a limit is none."""

FACTOR_FLOOR = 0.1
RECOVERY_PER_S = 1 / 6
"""A halved pace is whole again after three seconds, one at the floor after five and a half."""

BULK_REACH_S = 0.5
"""How far ahead bulk may reserve at most; `BEHIND` in `limiter.lua`."""

LONGEST_FREEZE_S = 300.0
"""A freeze stops a whole account: whatever the provider says, ask again after five minutes."""

LONGEST_WAIT_MS = 5_000


def pace_for(late_s: float) -> float:
    """The share of the limit that lets a request leave `late_s` after its instant.

    A broker further away than that cannot be waited for: its instants are known too badly.
    """
    return 1 / (1 + late_s + SPARE_S)


def paced_limit(limit: float | None) -> float:
    """The limit as it is paced: whole requests a second, or one every few; 0: lifted.

    2.5 a second allow only two requests in a second, and the pace must be that of two.
    """
    if not limit or limit >= LIFTED_AT:
        return 0.0
    return float(math.floor(limit)) if limit >= 1 else limit
