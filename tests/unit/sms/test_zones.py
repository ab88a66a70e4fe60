"""Numbers, their zones and their states."""

from __future__ import annotations

import random
from unittest.mock import Mock

import phonenumbers
import pytest
from phonenumbers.timezone import time_zones_for_geographical_number

from apps.sms import zones
from apps.sms.area_codes import STATE_BY_AREA_CODE


@pytest.mark.parametrize(
    "written",
    [
        "17325555555",
        "+17325555555",
        "7325555555",
        "(732) 555-5555",
        "1-732-555-5555",
        "732.555.5555",
    ],
)
def test_read_phone_as_people_write_it(written: str) -> None:
    assert zones.read_phone(written) == "+17325555555"


@pytest.mark.parametrize(
    "written",
    ["", "abc", "732555555", "+1732555555512345", "1-800-FLOWERS", "7320555555", "+1 132 555 5555",
     "7325555555 ext 3", "+999123456789", "٧٣٢٥٥٥٥٥٥٥", "1" * 400, "+", "732555\x005555"],
)  # fmt: skip
def test_read_phone_refuses_what_no_text_can_reach(written: str) -> None:
    with pytest.raises(zones.PhoneError) as refusal:
        zones.read_phone(written)

    assert len(written) < 5 or written not in str(refusal.value)


@pytest.mark.parametrize(
    ("phone", "timezone", "state"),
    [
        ("+12125551234", "America/New_York", "NY"),
        ("+13105551234", "America/Los_Angeles", "CA"),
        ("+15205551212", "America/Phoenix", "AZ"),
        ("+12085551234", "America/Boise,America/Los_Angeles", "ID"),
        ("+16135551212", "America/Toronto", ""),
        ("+17875551212", "America/Puerto_Rico", "PR"),
        ("+18005551212", "", ""),
        ("+447911123456", "Europe/London", ""),
        ("+4915112345678", "Europe/Berlin", ""),
    ],
)
def test_locate_numbers(phone: str, timezone: str, state: str) -> None:
    assert zones.locate(phone) == zones.Place(phone, timezone, state)


def test_locate_agrees_with_the_library() -> None:
    draw = random.Random(20)
    for code in sorted(STATE_BY_AREA_CODE):
        for _ in range(8):
            phone = f"+1{code}{draw.randint(2_000_000, 9_999_999)}"
            number = phonenumbers.parse(phone)

            told = time_zones_for_geographical_number(number)

            assert zones.locate(phone).timezone == zones._joined(told), phone
            assert zones.read_phone(phone[2:]) == phone


def test_locate_many_keeps_order_and_parses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "_parse", Mock(side_effect=zones.PhoneError))
    texts = ["17325555555", "nobody", "(212) 555-1234"]

    places = zones.locate_many(texts)

    assert places[1] is None
    assert [place.state for place in places if place] == ["NJ", "NY"]
    assert zones._parse.call_count == 1  # type: ignore[attr-defined]


def test_check_timezone() -> None:
    assert zones.check_timezone("America/Boise") == "America/Boise"
    for wrong in ("EST5", "america/boise", "../etc/passwd", "", "localtime"):
        with pytest.raises(zones.TimezoneError):
            zones.check_timezone(wrong)


def test_zones_of() -> None:
    assert zones.zones_of("") == ()
    assert zones.zones_of("A/B,C/D") == ("A/B", "C/D")
