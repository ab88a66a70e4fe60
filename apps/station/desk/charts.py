"""Lines of the last days, as numbers for an SVG that the template draws: no script, no host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from apps.mail.reports.figures import DayFigures

WIDTH, HEIGHT = 640, 160
# Room for the scale's largest number above, and for the days below.
TOP, BOTTOM = 14, 18
# Which figures share a scale, under a title.
_GROUPS = (
    ("Sent and delivered", (("sent", "sent"), ("delivered", "delivered"))),
    ("Opened and clicked by people", (("opened", "opened"), ("clicked", "clicked"))),
    ("Bounced and complained", (("bounced", "bounced"), ("complained", "complained"))),
)


@dataclass(frozen=True)
class Line:
    """One figure: `points` as SVG writes them, its total in words, its number for the colour."""

    label: str
    points: str
    total: str
    place: int


@dataclass(frozen=True)
class Chart:
    title: str
    lines: Sequence[Line]
    largest: str
    first_day: date
    last_day: date
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - BOTTOM
    top: int = TOP


def charts(days: Sequence[DayFigures]) -> list[Chart]:
    """Three charts of two lines each; every scale begins at nothing."""
    return [_chart(title, kinds, days) for title, kinds in _GROUPS]


def _chart(title: str, kinds: Sequence[tuple[str, str]], days: Sequence[DayFigures]) -> Chart:
    largest = max((day[kind] for day in days for kind, _ in kinds), default=0)
    lines = [
        Line(
            label,
            _points([day[kind] for day in days], largest),
            f"{sum(day[kind] for day in days):,}",
            place,
        )
        for place, (kind, label) in enumerate(kinds, start=1)
    ]
    told = ", ".join(f"{line.total} {line.label}" for line in lines)
    return Chart(
        title=title,
        lines=lines,
        largest=f"{largest:,}",
        first_day=days[0].day,
        last_day=days[-1].day,
        summary=f"{title} in {len(days)} days: {told}; at most {largest:,} a day.",
    )


def _points(numbers: Sequence[int], largest: int) -> str:
    step = WIDTH / max(1, len(numbers) - 1)
    room = HEIGHT - TOP - BOTTOM
    return " ".join(
        f"{index * step:.1f},{HEIGHT - BOTTOM - room * number / max(1, largest):.1f}"
        for index, number in enumerate(numbers)
    )
