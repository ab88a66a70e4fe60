"""The moment of each week, in both nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from apps.newsletter.digests.weeks import newest_slot, next_slot, this_week

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "week", "at"),
    [
        ("2026-11-26T09:00", 48, "2026-11-26T08:00"),  # Thursday 10:00: this week's
        ("2026-11-26T07:59", 47, "2026-11-19T08:00"),  # before it: that of the week before
        ("2027-01-03T12:00", 53, "2026-12-31T08:00"),  # Sunday of the long year's last week
        ("2026-03-29T12:00", 13, "2026-03-26T08:00"),
        ("2026-04-02T07:00", 14, "2026-04-02T07:00"),  # summer time
    ],
)
def test_newest_slot_is_the_last_one_that_came(now: str, week: int, at: str) -> None:
    slot = newest_slot(utc(now), weekday=4, hour=9, zone=BERLIN)

    assert (slot.week, slot.at) == (week, utc(at))


def test_hour_that_does_not_exist_is_the_moment_after_the_gap() -> None:
    slot = this_week(utc("2026-03-25T12:00"), weekday=7, hour=2, zone=BERLIN)

    assert slot.at == utc("2026-03-29T01:00")


def test_hour_that_comes_twice_is_the_first_and_one_week() -> None:
    first = newest_slot(utc("2026-10-25T00:30"), weekday=7, hour=2, zone=BERLIN)
    second = newest_slot(utc("2026-10-25T01:30"), weekday=7, hour=2, zone=BERLIN)

    assert first == second
    assert first.at == utc("2026-10-25T00:00")


def test_next_slot_is_in_the_future() -> None:
    assert next_slot(utc("2026-11-26T08:00"), weekday=4, hour=9, zone=BERLIN).week == 49
    assert next_slot(utc("2026-11-26T07:59"), weekday=4, hour=9, zone=BERLIN).week == 48
