"""Times as people in a zone write them, turned into instants; clock changes are told, not guessed.

In the night in which clocks go forward an hour of local times does not exist, and when they go
back an hour comes twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apps.campaigns.errors import AmbiguousTimeError, SkippedTimeError


def to_utc(time: datetime, *, zone: str) -> datetime:
    """The instant in UTC. An aware time is taken as it is, a naive one as local to `zone`.

    Raises `SkippedTimeError` for a local time that does not exist, and `AmbiguousTimeError` with
    both instants for one that comes twice.
    """
    if time.tzinfo is not None:
        return time.astimezone(UTC)
    first, second = (
        time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if first == second:
        return first
    if second < first:
        raise SkippedTimeError(_skipped(time, zone, second, first))
    choices = tuple(one.astimezone(ZoneInfo(zone)) for one in (first, second))
    raise AmbiguousTimeError(_twice(time, zone, choices), choices=choices)


def shown(time: datetime, *, zone: str) -> str:
    """`24 Oct 2026 09:00 (Europe/Berlin, +02:00)`."""
    local = time.astimezone(ZoneInfo(zone))
    return f"{local:%d %b %Y %H:%M} ({zone}, {_offset(local)})"


def _skipped(time: datetime, zone: str, before: datetime, after: datetime) -> str:
    """`before` and `after` are the instants by the clock as it was, and as it is then."""
    earlier, later = (one.astimezone(ZoneInfo(zone)) for one in (before, after))
    return (
        f"{time:%H:%M} does not exist in {zone} on {time:%d %B %Y}, as clocks go forward: choose"
        f" {earlier:%H:%M} or {later:%H:%M}."
    )


def _twice(time: datetime, zone: str, choices: tuple[datetime, ...]) -> str:
    first, second = (_offset(one) for one in choices)
    return (
        f"{time:%H:%M} comes twice in {zone} on {time:%d %B %Y}, as clocks go back: choose the"
        f" first ({first}) or the second ({second})."
    )


def _offset(time: datetime) -> str:
    written = f"{time:%z}"
    return f"{written[:3]}:{written[3:5]}"
