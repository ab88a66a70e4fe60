"""How much of an account's budget is in use, for admin, health and API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.queues.limiting.classes import CallClass


@dataclass(frozen=True, slots=True)
class ClassUse:
    """One class's part."""

    per_second: float
    """Requests granted a second, smoothed over five seconds."""
    waiting: int
    """Workers that were held when they last asked, within the last three seconds."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much of an account's budget is in use, for display."""

    limit: float | None
    """Requests a second; None: lifted."""
    factor: float
    """Share of the pace in force: 1 normally, less after a 429 or after losing the state."""
    per_second: float
    """Requests granted a second, smoothed over five seconds."""
    ahead_s: float
    """How far ahead of now the newest slot lies."""
    frozen_for_s: float
    live_workers: int
    shared: bool
    """False: the broker does not answer, and the figures are what this process knows."""
    by_class: Mapping[CallClass, ClassUse] = field(default_factory=dict)
    """Empty where the broker does not answer."""

    @property
    def share(self) -> float | None:
        """Part of the limit that is used; None where it is lifted."""
        return self.per_second / self.limit if self.limit else None
