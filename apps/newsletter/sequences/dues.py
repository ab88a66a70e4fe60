"""When people in different zones are due for a step: worked out once per zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from apps.newsletter.sequences.windows import Window, after_wait, known_zone, next_opening

if TYPE_CHECKING:
    from datetime import datetime

    from apps.newsletter.models import SequenceStep


def window_of(step: SequenceStep) -> Window:
    return Window(step.hour_from, step.hour_until, frozenset(step.weekdays))


@dataclass(frozen=True)
class Dues:
    """Reads zones by their names; the brand's stands in for one that is not known."""

    brand_zone: str

    def zone(self, name: str) -> ZoneInfo:
        return known_zone(name) or known_zone(self.brand_zone) or ZoneInfo("UTC")

    def opening(self, at: datetime, *, step: SequenceStep, zone: str) -> datetime:
        """When the step may go out to somebody for whom it was due at `at`."""
        return next_opening(at, zone=self.zone(zone), window=window_of(step))

    def due(self, at: datetime, *, step: SequenceStep, zone: str) -> datetime:
        """When the step is due for somebody who got to it at `at`."""
        later = after_wait(at, wait=step.wait, unit=step.wait_unit, zone=self.zone(zone))
        return self.opening(later, step=step, zone=zone)
