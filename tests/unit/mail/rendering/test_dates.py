from __future__ import annotations

import locale
import time
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.mail.rendering import TemplateProblem
from apps.mail.rendering.dates import Clock, show_date
from tests.unit.mail.rendering.writing import NOW, html_of, line

CLOCK = Clock(now=NOW, zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("now", "2026-03-02 00:30:00 CET"),
        ("today", "2026-03-02 00:30:00 CET"),
        ("2026-07-01T12:00:00Z", "2026-07-01 14:00:00 CEST"),
        ("2026-07-01T12:00:00-05:00", "2026-07-01 19:00:00 CEST"),
        ("2026-07-01 12:00:00 UTC", "2026-07-01 14:00:00 CEST"),
        ("2026-07-01T12:00:00", "2026-07-01 12:00:00 CEST"),
        ("1990-03-01", "1990-03-01 00:00:00 CET"),
        ("March 14, 2016", "2016-03-14 00:00:00 CET"),
        (0, "1970-01-01 01:00:00 CET"),
        ("1152098955", "2006-07-05 13:29:15 CEST"),
    ],
)
def test_dates_are_read_and_shown_in_the_zone(value: object, shown: str) -> None:
    assert show_date(value, "%F %T %Z", clock=CLOCK) == shown


@pytest.mark.parametrize(
    "value", ["someday", "Ada", "9" * 30, "May" + " " * 70 + "2", "2026-13-45"]
)
def test_text_that_is_no_date_stays_as_it_is(value: str) -> None:
    assert show_date(value, "%F", clock=CLOCK) == value


def test_date_without_a_year_is_in_the_year_of_the_clock() -> None:
    clock = Clock(now=NOW.replace(year=2031), zone=CLOCK.zone)

    assert show_date("10 May", "%F", clock=clock) == "2031-05-10"


@pytest.mark.parametrize("value", [None, ""])
def test_missing_date_is_empty(value: object) -> None:
    assert show_date(value, "%F", clock=CLOCK) == ""


def test_undefined_date_and_format_are_forgiven() -> None:
    assert line("[{{ traits.no | date: '%F' }}]") == "[]"
    assert line("{{ '2026-01-02' | date: traits.no }}") == "2026-01-02"


def test_flags_change_padding_and_case() -> None:
    assert show_date("2026-03-05T07:08", "%-d/%_m/%0e %-I%P %^a %#b %10Y|%q %", clock=CLOCK) == (
        "5/ 3/05 7am THU mAR 0000002026|%q %"
    )


def test_format_written_in_the_template_may_hold_markup() -> None:
    assert html_of("{{ '2026-01-02' | date: '%-d&nbsp;%B' }}") == "2&nbsp;January"
    assert html_of("{{ traits.d | date: '%F' }}", traits={"d": "<b>"}) == "&lt;b&gt;"


def test_long_format_is_refused() -> None:
    with pytest.raises(TemplateProblem, match="a date format has at most 200 characters"):
        line("{{ 'now' | date: '" + "%c" * 101 + "' }}")


@settings(deadline=None)
@given(
    st.datetimes(
        min_value=datetime.fromisoformat("1900-01-01"),
        max_value=datetime.fromisoformat("2200-01-01"),
    ),
    st.sampled_from("aAbBcdfHIjmMpSUuVwWxXyYzFTDRGrehnt%"),
)
def test_directives_agree_with_the_c_library(moment: datetime, letter: str) -> None:
    assert locale.setlocale(locale.LC_TIME) in ("C", "POSIX", "C.UTF-8", "en_US.UTF-8")
    aware = moment.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    clock = Clock(now=NOW, zone=ZoneInfo("UTC"))
    in_zone = aware.astimezone(ZoneInfo("UTC"))

    shown = show_date(aware.isoformat(), f"%{letter}", clock=clock)

    expected = "+0000" if letter == "z" else in_zone.strftime(f"%{letter}")
    assert shown == expected


def test_zone_of_the_machine_plays_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        shown = [show_date(value, "%F %T", clock=CLOCK) for value in (0, "2026-01-05 10:00 EST")]
    finally:
        monkeypatch.undo()
        time.tzset()

    # A zone's abbreviation is not unique, so it is not believed.
    assert shown == ["1970-01-01 01:00:00", "2026-01-05 10:00:00"]
