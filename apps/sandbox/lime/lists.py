"""Who is opted in: made-up people, less those who left, and those who joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from apps.sandbox.lime.numbers import made_up, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.sandbox.lime.settings import Settings, Span

_FIRST_OPT_IN = datetime(2012, 1, 17, 1, 8, 21)  # noqa: DTZ001 - the provider's dates have no zone
_BETWEEN_OPT_INS = timedelta(seconds=61)


@dataclass(frozen=True, slots=True)
class Person:
    """One entry of a list. `place` is its place in the row of made-up people, if it has one."""

    mobile: str
    opted_in_at: datetime
    """Without a zone, as the provider tells it."""
    place: int | None = None


_MOST_TURNS = 4_000_000  # some eight years
_DAY_SECONDS = 86_400
_SPREAD_SECONDS = 7_919  # a prime: neighbours opted in at different times


@dataclass(slots=True)
class Lists:
    """What has happened to the lists since the start."""

    started_at: datetime = field(default_factory=datetime.now)
    left: dict[str, set[str]] = field(default_factory=dict)
    joined: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def clear(self) -> None:
        self.left.clear()
        self.joined.clear()

    def has(self, settings: Settings, list_id: str, mobile: str) -> bool:
        """Whether this number is opted in to this list."""
        if mobile in self.joined.get(list_id, ()):
            return True
        if mobile in self.left.get(list_id, ()):
            return False
        span = settings.lists.get(list_id)
        return span is not None and _is_within(mobile, span)

    def of(self, settings: Settings, mobile: str) -> list[str]:
        """The lists this number is opted in to."""
        known = dict.fromkeys([*settings.lists, *self.joined])
        return [list_id for list_id in known if self.has(settings, list_id, mobile)]

    def join(self, list_id: str, mobile: str, *, at: datetime) -> None:
        self.joined.setdefault(list_id, {})[mobile] = at

    def leave(self, list_id: str, mobile: str) -> None:
        self.joined.get(list_id, {}).pop(mobile, None)
        self.left.setdefault(list_id, set()).add(mobile)

    def people(self, settings: Settings, list_id: str) -> Iterator[Person]:
        """Everybody in a list, one by one: no list is ever held as a whole."""
        left = self.left.get(list_id, set())
        joined = dict(self.joined.get(list_id, {}))
        span = settings.lists.get(list_id)
        if span is not None:
            for place in range(span.start, span.start + span.count):
                mobile = made_up(place)
                if mobile not in joined and mobile not in left:
                    yield Person(mobile, self._opted_in_at(settings, place), place)
        for mobile, opted_in_at in joined.items():
            yield Person(mobile, opted_in_at)

    def _opted_in_at(self, settings: Settings, place: int) -> datetime:
        if not settings.list_days:
            return _FIRST_OPT_IN + place % _MOST_TURNS * _BETWEEN_OPT_INS
        span = settings.list_days * _DAY_SECONDS
        return self.started_at - timedelta(seconds=span - place * _SPREAD_SECONDS % span)


def _is_within(mobile: str, span: Span) -> bool:
    place = place_of(mobile)
    return place is not None and span.start <= place < span.start + span.count
