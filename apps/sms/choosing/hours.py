"""When a person may get a text: local hours by zone and state, the narrowest of all that hold.

Pure arithmetic, asked once per distinct pair of zone and state and never per person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from apps.sms.zones import ZONE_SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable

# No zone changes its clock at a moment that is no multiple of this.
_STEP = timedelta(minutes=15)


@dataclass(frozen=True)
class Hours:
    """Local times from `begins` on and before `ends`. None where nobody narrows that side."""

    begins: time | None = None
    ends: time | None = None

    def narrowed(self, other: Hours) -> Hours:
        """What both allow."""
        begins = [one for one in (self.begins, other.begins) if one is not None]
        ends = [one for one in (self.ends, other.ends) if one is not None]
        return Hours(max(begins, default=None), min(ends, default=None))

    def allow(self, clock: time) -> bool:
        return (self.begins is None or self.begins <= clock) and (
            self.ends is None or clock < self.ends
        )


@dataclass(frozen=True)
class Window:
    """Open now and until `until` (UTC, excluded); `day` is the person's own."""

    day: date
    until: datetime


@cache
def zones(stored: str) -> tuple[ZoneInfo, ...]:
    """The zones of a subscriber's `timezone`, which may hold several; none where one is unknown."""
    names = stored.split(ZONE_SEPARATOR)
    if not set(names) <= _known_zones():
        return ()
    return tuple(ZoneInfo(name) for name in names)


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def open_window(stored_zones: str, hours: Iterable[Hours], at: datetime) -> Window | None:
    """The window that is open at `at` (aware), or None: closed, or no zone is known.

    With several zones it is open while it is open in each of them.
    """
    places = zones(stored_zones)
    narrow = Hours()
    for one in hours:
        narrow = narrow.narrowed(one)
    ends = [_open_until(zone, narrow, at.astimezone(UTC)) for zone in places]
    known = [one for one in ends if one is not None]
    if not places or len(known) < len(ends):
        return None
    return Window(day=at.astimezone(places[0]).date(), until=min(known))


def _open_until(zone: ZoneInfo, hours: Hours, at: datetime) -> datetime | None:
    """Until when the zone's clock stays within the hours; at most to the end of its day."""
    local = at.astimezone(zone)
    if not hours.allow(local.time()):
        return None
    end = _first_reading(zone, local.date(), hours.ends)
    if local.utcoffset() != end.astimezone(zone).utcoffset():
        end = min(end, _left_by_step(zone, hours, at, end))
    return end if end > at else None


def _first_reading(zone: ZoneInfo, day: date, ends: time | None) -> datetime:
    """The first moment at which the zone's clock may show the end: it may do so twice, or never."""
    wall = (
        datetime.combine(day, ends) if ends else datetime.combine(day, time()) + timedelta(days=1)
    )
    return min(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _left_by_step(zone: ZoneInfo, hours: Hours, at: datetime, end: datetime) -> datetime:
    """The clock changes on the way: the first step at which it shows a time outside the hours."""
    day = at.astimezone(zone).date()
    moment = at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0) + _STEP
    while moment < end:
        local = moment.astimezone(zone)
        if local.date() != day or not hours.allow(local.time()):
            return moment
        moment += _STEP
    return end
