"""Nothing outside the hours, in any zone, on any day, at both clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.sms.choosing.hours import Hours, open_window

ZONES = sorted(available_timezones())
US_ZONES = [
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/Puerto_Rico",
]  # fmt: skip
DEFAULT = Hours(time(9), time(20))


@cache
def clock_changes(zone: str, year: int = 2026) -> tuple[datetime, ...]:
    """The hours of a year after which the zone's clock runs another way."""
    place, start = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)

    def changes_after(moment: datetime, span: timedelta) -> bool:
        here, there = moment.astimezone(place), (moment + span).astimezone(place)
        return here.utcoffset() != there.utcoffset()

    days = (start + timedelta(days=n) for n in range(366))
    return tuple(
        hour
        for day in days
        if changes_after(day, timedelta(days=1))
        for hour in (day + timedelta(hours=n) for n in range(24))
        if changes_after(hour, timedelta(hours=1))
    )


clocks = st.times().map(lambda one: one.replace(second=0, microsecond=0))


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Any minute of 2026; most lie within two days of a clock change."""
    changes = clock_changes(zone)
    change = draw(st.sampled_from([None, *changes]))
    if change:
        return change + timedelta(minutes=draw(st.integers(-2 * 1440, 2 * 1440)))
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 525_599)))


def shows_outside(zone: str, hours: Hours, moment: datetime) -> bool:
    clock = moment.astimezone(ZoneInfo(zone)).time()
    begins, ends = hours.begins or time.min, hours.ends
    return clock < begins or (ends is not None and clock >= ends)


@settings(max_examples=250, deadline=None)
@given(st.data(), st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True))
def test_no_minute_of_an_open_window_lies_outside_the_hours(
    data: st.DataObject, names: list[str]
) -> None:
    hours = Hours(*sorted((data.draw(clocks), data.draw(clocks))))
    at = data.draw(moments(names[0]))

    window = open_window(",".join(names), [hours], at)

    if window is None:
        return
    assert at < window.until <= at + timedelta(hours=26)
    assert window.day == at.astimezone(ZoneInfo(names[0])).date()
    minutes = int((window.until - at).total_seconds() // 60)
    for minute in range(0, minutes, 5):
        moment = at + timedelta(minutes=minute)
        assert not any(shows_outside(name, hours, moment) for name in names), moment
    last = window.until - timedelta(seconds=1)
    assert not any(shows_outside(name, hours, last) for name in names), last


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(US_ZONES))
@example(data=None, zone="America/New_York").via("the default hours are far from any change")
def test_default_hours_are_used_to_the_full(data: st.DataObject | None, zone: str) -> None:
    at = data.draw(moments(zone)) if data else datetime(2026, 3, 8, 14, 0, tzinfo=UTC)

    window = open_window(zone, [DEFAULT], at)

    local = at.astimezone(ZoneInfo(zone))
    assert (window is not None) == (time(9) <= local.time() < time(20))
    if window:
        assert window.until.astimezone(ZoneInfo(zone)).time() == time(20)
        assert window.until.astimezone(ZoneInfo(zone)).date() == local.date()


@pytest.mark.parametrize(
    ("at", "until"),
    [
        # 8 March: the clock jumps from 02:00 to 03:00, and 02:30 never comes.
        (datetime(2026, 3, 8, 6, 0, tzinfo=UTC), datetime(2026, 3, 8, 6, 30, tzinfo=UTC)),
        # 1 November: 01:30 comes twice, and the first one ends it.
        (datetime(2026, 11, 1, 5, 0, tzinfo=UTC), None),
    ],
)
def test_end_within_a_clock_change_is_taken_at_its_first(
    at: datetime, until: datetime | None
) -> None:
    spring = at.month == 3
    hours = Hours(time(0), time(2, 30) if spring else time(1))

    window = open_window("America/New_York", [hours], at)

    assert (window.until if window else None) == until


def test_clock_that_goes_back_before_the_beginning_ends_the_window() -> None:
    # 01:40 in summer time; at 02:00 the clock goes back to 01:00, before the beginning.
    at = datetime(2026, 11, 1, 5, 40, tzinfo=UTC)

    window = open_window("America/New_York", [Hours(time(1, 30), time(20))], at)

    assert window is not None
    assert window.until == datetime(2026, 11, 1, 6, 0, tzinfo=UTC)


def test_narrowest_hours_win() -> None:
    state, message = Hours(time(8), time(18)), Hours(time(10), None)
    at = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)  # 11:00 in New York

    window = open_window("America/New_York", [DEFAULT, state, message], at)
    early = open_window("America/New_York", [DEFAULT, state, message], at - timedelta(hours=2))

    assert window is not None
    assert window.until == datetime(2026, 6, 1, 22, 0, tzinfo=UTC)
    assert early is None


def test_several_zones_are_open_only_together_and_the_first_tells_the_day() -> None:
    both = "America/New_York,America/Los_Angeles"
    nine_in_new_york = datetime(2026, 6, 1, 13, 0, tzinfo=UTC)

    morning = open_window(both, [DEFAULT], nine_in_new_york)
    noon = open_window(both, [DEFAULT], nine_in_new_york + timedelta(hours=3))

    assert morning is None
    assert noon is not None
    assert noon.day == date(2026, 6, 1)
    assert noon.until == datetime(2026, 6, 2, 0, 0, tzinfo=UTC)  # 20:00 in New York


@pytest.mark.parametrize("stored", ["", "Mars/Olympus", "America/New_York,", "America/New_York,X"])
def test_no_known_zone_is_never_open(stored: str) -> None:
    assert open_window(stored, [Hours()], datetime(2026, 6, 1, 15, 0, tzinfo=UTC)) is None
