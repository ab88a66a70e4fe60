"""Days as bars of an SVG: drawn on the server, without a script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

WIDTH, HEIGHT = 600, 120
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`largest` stands at the top of the chart; `summary` says it to those who cannot see it."""

    title: str
    tone: str
    bars: list[Bar]
    total: str
    largest: str
    first_day: date
    last_day: date
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def summary(self) -> str:
        return f"{self.title}: {self.total} in all, {self.largest} on the busiest day"


def bars(
    title: str, days: Sequence[tuple[date, int | Decimal]], *, tone: str, unit: str = ""
) -> Chart:
    values = [float(value) for _, value in days]
    top = max(values, default=0.0)
    step = WIDTH / max(1, len(days))
    drawn = [
        Bar(
            round(place * step + step * _GAP / 2, 2),
            round(HEIGHT - height, 2),
            round(step * (1 - _GAP), 2),
            round(height, 2),
            f"{day:%d %b}: {_shown(value, unit)}",
        )
        for place, (day, value) in enumerate(days)
        for height in [HEIGHT * float(value) / top if top > 0 else 0.0]
        if height > 0
    ]
    total = sum(value for _, value in days)
    return Chart(
        title, tone, drawn, _shown(total, unit), _shown(top, unit), days[0][0], days[-1][0]
    )


def _shown(value: float | Decimal, unit: str) -> str:
    return f"{value:,.2f} {unit}" if unit else f"{value:,.0f}"
