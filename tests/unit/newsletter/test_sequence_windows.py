"""Hours and weekdays where people are, in both nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from apps.newsletter.sequences.windows import Window, after_wait, known_zone, next_opening

BERLIN = ZoneInfo("Europe/Berlin")  # forward on 29 March 2026 at 01:00 UTC, back on 25 October
KOLKATA = ZoneInfo("Asia/Kolkata")
OFFICE = Window(9, 17, frozenset({1, 2, 3, 4, 5}))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-06-01T07:00", "2026-06-01T07:00"),  # Monday 09:00: open
        ("2026-06-01T06:59", "2026-06-01T07:00"),
        ("2026-06-01T15:00", "2026-06-02T07:00"),  # 17:00 is too late
        ("2026-06-05T15:30", "2026-06-08T07:00"),  # Friday evening to Monday
    ],
)
def test_window_opens_at_its_hour_on_its_days(at: str, opens: str) -> None:
    assert next_opening(utc(at), zone=BERLIN, window=OFFICE) == utc(opens)


def test_same_instant_is_open_in_one_zone_and_closed_in_another() -> None:
    at = utc("2026-06-01T04:00")  # 06:00 in Berlin, 09:30 in Kolkata

    assert next_opening(at, zone=KOLKATA, window=OFFICE) == at
    assert next_opening(at, zone=BERLIN, window=OFFICE) == utc("2026-06-01T07:00")


def test_hour_that_does_not_exist_opens_at_the_first_moment_after() -> None:
    before = utc("2026-03-29T00:30")  # 01:30; at 02:00 it will be 03:00

    assert next_opening(before, zone=BERLIN, window=Window(2, 12)) == utc("2026-03-29T01:00")


def test_window_that_lies_in_the_missing_hour_opens_on_the_next_day() -> None:
    before = utc("2026-03-29T00:30")

    assert next_opening(before, zone=BERLIN, window=Window(2, 3)) == utc("2026-03-30T00:00")


def test_hour_that_comes_twice_opens_again() -> None:
    between = utc("2026-10-25T01:00")  # 02:00 for the second time

    assert next_opening(between, zone=BERLIN, window=Window(2, 3)) == between
    assert next_opening(utc("2026-10-24T23:30"), zone=BERLIN, window=Window(2, 3)) == utc(
        "2026-10-25T00:00"
    )


def test_day_later_is_the_same_time_of_the_clock() -> None:
    before = utc("2026-03-28T08:00")  # 09:00 winter time

    assert after_wait(before, wait=1, unit="days", zone=BERLIN) == utc("2026-03-29T07:00")
    assert after_wait(before, wait=24, unit="hours", zone=BERLIN) == utc("2026-03-29T08:00")
    assert after_wait(before, wait=5, unit="minutes", zone=BERLIN) == utc("2026-03-28T08:05")


def test_what_is_no_zone_is_not_known() -> None:
    assert known_zone("Europe/Atlantis") is None
    assert known_zone("../etc/passwd") is None
    assert known_zone("UTC") is not None
