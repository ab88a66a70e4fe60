"""Weeks: when a digest is due, and which issue that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Slot:
    """The moment of one ISO week (UTC)."""

    year: int
    week: int
    at: datetime


def slot_of_week(day: date, *, weekday: int, hour: int, zone: ZoneInfo) -> Slot:
    """The slot of the ISO week that `day` lies in.

    An hour that does not exist on the day clocks go forward is the first moment after the gap, one
    that comes twice the first of the two.
    """
    wanted = day - timedelta(days=day.isoweekday() - weekday)
    local = datetime.combine(wanted, time(hour), tzinfo=zone)
    year, week, _ = wanted.isocalendar()
    return Slot(year, week, local.astimezone(UTC))


def this_week(now: datetime, *, weekday: int, hour: int, zone: ZoneInfo) -> Slot:
    return slot_of_week(now.astimezone(zone).date(), weekday=weekday, hour=hour, zone=zone)


def newest_slot(now: datetime, *, weekday: int, hour: int, zone: ZoneInfo) -> Slot:
    """The last slot that is not in the future: this week's, or that of the week before."""
    slot = this_week(now, weekday=weekday, hour=hour, zone=zone)
    if slot.at <= now:
        return slot
    before = now.astimezone(zone).date() - _WEEK
    return slot_of_week(before, weekday=weekday, hour=hour, zone=zone)


def next_slot(now: datetime, *, weekday: int, hour: int, zone: ZoneInfo) -> Slot:
    """The first slot in the future."""
    slot = this_week(now, weekday=weekday, hour=hour, zone=zone)
    if slot.at > now:
        return slot
    after = now.astimezone(zone).date() + _WEEK
    return slot_of_week(after, weekday=weekday, hour=hour, zone=zone)
