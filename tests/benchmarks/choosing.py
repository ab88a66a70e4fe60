"""The minute's choice: who of 200,000 gets which of 20 messages, over a month's log."""

from __future__ import annotations

import statistics

from tests.rows import Row
from tests.stations import SendingStation

PEOPLE, ROWS = 200_000, 5_000_000
GROWN = 50_000_000
ROUNDS = 7
RESERVING = 4  # runs of 40,000: the first finds the caches cold


def minutes_choice() -> list[Row]:
    """Over 5,000,000 rows of this month."""
    return _measure(ROWS, goals=True)


def minutes_choice_grown() -> list[Row]:
    """Over 50,000,000 rows: a quarter of an hour and 23 GB; prints the plan."""
    return _measure(GROWN, goals=False)


def _measure(rows: int, *, goals: bool) -> list[Row]:
    with SendingStation("bench", durable=True) as running:
        call = running.desk.call
        size = call("tests.benchmarks.choosing_desk:fill", people=PEOPLE, rows=rows,
                    within_seconds=3600)  # fmt: skip
        figures = call("tests.benchmarks.choosing_desk:choose", rounds=ROUNDS, within_seconds=900)
        reserved = call("tests.benchmarks.choosing_desk:reserve", rounds=RESERVING,
                        within_seconds=900)  # fmt: skip
    print(figures["plan"])
    chosen, in_vain, peer = (
        statistics.median(figures[name]) for name in ("chosen", "in_vain", "peer")
    )
    seconds = statistics.median(reserved["seconds"][1:])
    counts = reserved["statements"]
    return [
        Row("rows in this month's log", rows, ""),
        Row("its size, and that of its indexes", round(size["table_mb"] + size["indexes_mb"]),
            "MB"),
        Row("40,000 of 200,000 chosen", round(chosen), "ms", "under 300" if goals else "",
            chosen < 300 or not goals),
        Row("200,000 looked at, none to choose", round(in_vain), "ms"),
        Row("one query for the daily cap alone, for comparison", round(peer), "ms"),
        Row("40,000 chosen and reserved", round(seconds, 2), "s", "under 2" if goals else "",
            seconds < 2 or not goals),
        Row("statements of a run", max(counts), "", "constant", len(set(counts)) == 1),
    ]  # fmt: skip
