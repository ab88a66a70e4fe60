"""When somebody may get a step: hours and weekdays by the clock where they are.

Pure functions on instants and zones. In the night in which clocks go forward some local times do
not exist: a window that would open in them opens at the first moment after. In the night in which
they go back some come twice: a window may open again, and who waits gets in at the first chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EVERY_DAY = frozenset(range(1, 8))
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """From `hour_from` on, before `hour_until` (24: midnight), on these ISO weekdays."""

    hour_from: int = 0
    hour_until: int = 24
    weekdays: frozenset[int] = EVERY_DAY

    @property
    def is_always(self) -> bool:
        return (self.hour_from, self.hour_until) == (0, 24) and self.weekdays >= EVERY_DAY

    def holds(self, local: datetime) -> bool:
        """Whether it is open at this time of the local clock."""
        inside = self.hour_from <= local.hour < self.hour_until
        return inside and local.isoweekday() in self.weekdays


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """None for what is no name of the IANA list."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def next_opening(at: datetime, *, zone: ZoneInfo, window: Window) -> datetime:
    """`at` itself where the window is open then, else the first later moment; in UTC."""
    if window.is_always or window.holds(at.astimezone(zone)):
        return at.astimezone(UTC)
    day = at.astimezone(zone).date()
    openings = (
        opening
        for offset in range(9)
        for opening in _openings(day + timedelta(days=offset), zone, window)
    )
    return next(opening for opening in openings if opening >= at)


def _openings(day: date, zone: ZoneInfo, window: Window) -> list[datetime]:
    """The moments of a local day at which the window opens: one, or two where the hour returns."""
    local = datetime.combine(day, time(window.hour_from))
    if local.isoweekday() not in window.weekdays:
        return []
    instants = sorted({local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    if len(instants) == 2 and instants[0].astimezone(zone).replace(tzinfo=None) != local:  # noqa: PLR2004 - both folds
        return _after_gap(local, instants[0], zone, window)
    return instants


def _after_gap(local: datetime, before: datetime, zone: ZoneInfo, window: Window) -> list[datetime]:
    """The first moment whose local time is not before `local`, if the window still holds then."""
    moment = before
    while moment.astimezone(zone).replace(tzinfo=None) < local:
        moment += _MINUTE
    return [moment] if window.holds(moment.astimezone(zone)) else []


def after_wait(at: datetime, *, wait: int, unit: str, zone: ZoneInfo) -> datetime:
    """So much later; days are days of the calendar: the same local time, whatever clocks did."""
    if unit != "days":
        return at + (timedelta(hours=wait) if unit == "hours" else timedelta(minutes=wait))
    local = at.astimezone(zone)
    # Arithmetic on a time with a zone is that of its clock; `fold` is the first of two.
    return (local.replace(fold=0) + timedelta(days=wait)).astimezone(UTC)
