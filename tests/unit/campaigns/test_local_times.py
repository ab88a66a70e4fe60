"""Local times on ordinary days and in the two nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from apps.campaigns.errors import AmbiguousTimeError, SkippedTimeError
from apps.campaigns.local_times import shown, to_utc

BERLIN = "Europe/Berlin"


def local(time: str) -> datetime:
    """A time of no zone yet, as somebody typed it."""
    return datetime.fromisoformat(time)


@pytest.mark.parametrize(
    ("typed", "zone", "expected"),
    [
        (local("2026-01-10T09:00"), BERLIN, datetime(2026, 1, 10, 8, 0, tzinfo=UTC)),
        (local("2026-07-10T09:00"), BERLIN, datetime(2026, 7, 10, 7, 0, tzinfo=UTC)),
        (local("2026-03-29T01:59"), BERLIN, datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        (local("2026-03-29T03:00"), BERLIN, datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (local("2026-10-25T03:00"), BERLIN, datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        (local("2026-07-10T09:00"), "Asia/Kolkata", datetime(2026, 7, 10, 3, 30, tzinfo=UTC)),
    ],
)
def test_local_time_is_read_in_its_zone(typed: datetime, zone: str, expected: datetime) -> None:
    assert to_utc(typed, zone=zone) == expected


def test_aware_time_is_taken_as_it_is() -> None:
    given = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1)))

    assert to_utc(given, zone="America/New_York") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_time_that_clocks_jump_over_is_refused_with_its_neighbours() -> None:
    with pytest.raises(SkippedTimeError, match=r"02:30 does not exist .*choose 01:30 or 03:30"):
        to_utc(local("2026-03-29T02:30"), zone=BERLIN)


def test_time_that_comes_twice_is_asked_about_with_both() -> None:
    with pytest.raises(AmbiguousTimeError, match=r"the first \(\+02:00\) or") as caught:
        to_utc(local("2026-10-25T02:30"), zone=BERLIN)

    assert [to_utc(choice, zone=BERLIN) for choice in caught.value.choices] == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    ]


def test_half_an_hour_of_lord_howe_island_is_known() -> None:
    with pytest.raises(SkippedTimeError):
        to_utc(local("2026-10-04T02:15"), zone="Australia/Lord_Howe")


def test_shown_time_names_zone_and_offset() -> None:
    time = datetime(2026, 10, 24, 7, 0, tzinfo=UTC)

    assert shown(time, zone=BERLIN) == "24 Oct 2026 09:00 (Europe/Berlin, +02:00)"
