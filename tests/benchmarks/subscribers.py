"""`POST /api/subscribers` with 1,000 people in a call: new ones, the same again, changed ones."""

from __future__ import annotations

from tests.rows import Row
from tests.stations import SendingStation

GOAL_PER_SECOND = 3_000


def subscribers() -> list[Row]:
    """Key, throttle, validation, statements and the JSON of the answer included."""
    with SendingStation("bench", durable=True) as running:
        found = running.desk.call(
            "tests.benchmarks.subscribers_desk:time_upserts", within_seconds=300
        )
    return [
        Row(f"subscribers upserted, 1,000 in a call: {name}", round(rate), "a second",
            f"at least {GOAL_PER_SECOND:,}", rate >= GOAL_PER_SECOND)
        for name, rate in found.items()
    ]  # fmt: skip
