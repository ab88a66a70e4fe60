"""Every zone with every state, at both clock changes: nobody is reached outside their hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.sms.choosing.hours import Hours
from apps.sms.choosing.places import Law, judge
from apps.sms.choosing.pool import Choice
from apps.sms.choosing.reasons import Reason
from apps.sms.config import EffectiveConfig

ZONES = (
    "America/New_York", "America/Detroit", "America/Chicago", "America/Denver", "America/Phoenix",
    "America/Los_Angeles", "America/Anchorage", "America/Adak", "Pacific/Honolulu",
    "America/Puerto_Rico", "Pacific/Guam", "America/New_York,America/Los_Angeles",
)  # fmt: skip
LAWS = {
    "": Law(Hours(time(9), time(20)), 3),
    "FL": Law(Hours(time(8), time(20)), 3),
    "TX": Law(Hours(time(9), time(21))),
    "WA": Law(Hours(time(0, 30), time(1, 30))),  # no law is like this: it lies in the clock change
}
# The settings allow more than the laws, so that these are what is tried.
WIDE = EffectiveConfig(hours_from=time(0, 15), hours_until=time(23, 45))
MESSAGE = Choice(1, 1, 1.0, Hours(time(1), None), None, None, None)
# Those without a law are like New York; "ZZ" is none.
STATES = ("ZZ", "NY", *LAWS)


def outside(zone: str, hours: Hours, moment: datetime) -> bool:
    return not all(
        hours.allow(moment.astimezone(ZoneInfo(name)).time()) for name in zone.split(",")
    )


@pytest.mark.parametrize("change", ["2026-03-08", "2026-11-01"])
def test_nothing_goes_outside_the_hours_on_a_day_of_a_clock_change(change: str) -> None:
    start = datetime.fromisoformat(change).replace(tzinfo=UTC)
    pairs = [(zone, state) for zone in ZONES for state in STATES]
    own = Hours(WIDE.hours_from, WIDE.hours_until)

    for half_hour in range(2 * 40):
        at = start + timedelta(minutes=30 * half_hour)
        for place in judge(pairs, laws=LAWS, config=WIDE, pool=[MESSAGE], at=at):
            hours = own.narrowed(LAWS.get(place.state, Law()).hours)
            if place.refused:
                may = not outside(place.timezone, hours, at)
                assert place.state == "ZZ" or not may or place.state == "WA", place
                continue
            assert place.until is not None
            last = place.until - timedelta(seconds=1)
            assert not outside(place.timezone, hours, at), place
            assert not outside(place.timezone, hours, last), place
            for _, until in place.ends:
                both = hours.narrowed(MESSAGE.hours)
                assert not outside(place.timezone, both, at), place
                assert not outside(place.timezone, both, until - timedelta(seconds=1)), place


@pytest.mark.parametrize(
    ("zone", "state", "reason"),
    [
        ("", "NY", Reason.NO_ZONE),
        ("Mars/Olympus", "NY", Reason.NO_ZONE),
        ("America/New_York", "ZZ", Reason.STATE_UNKNOWN),
        ("Pacific/Honolulu", "HI", Reason.OUTSIDE_HOURS),
        ("America/New_York", "NY", None),
    ],
)
def test_place_tells_why_nobody_is_reached(zone: str, state: str, reason: Reason | None) -> None:
    at = datetime(2026, 6, 10, 14, 0, tzinfo=UTC)  # 10:00 in New York, 04:00 in Honolulu

    (place,) = judge([(zone, state)], laws=LAWS, config=EffectiveConfig(), pool=[], at=at)

    assert place.refused == reason


def test_nobody_is_reached_where_the_law_for_unknown_states_is_missing() -> None:
    at = datetime(2026, 6, 10, 14, 0, tzinfo=UTC)

    (place,) = judge([("America/New_York", "")], laws={}, config=EffectiveConfig(), pool=[], at=at)

    assert place.refused == Reason.STATE_UNKNOWN
