"""Where a number lives: its E.164 form, its time zones, its state.

Asked once, when a number comes in; what sends texts trusts what was stored. A zone is stored as one
IANA name, or as several with commas between them where the number may live in either: then a text
may only go while it is allowed in each of them. Blank: the number tells none (toll-free).

A number tells where it was given out, not where its owner is: the best there is.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType
from phonenumbers.timezone import time_zones_for_geographical_number
from phonenumbers.tzdata import TIMEZONE_DATA

from apps.sms.area_codes import STATE_BY_AREA_CODE

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_TIMEZONE = "America/New_York"
ZONE_SEPARATOR = ","
# A number that may live in more places than this does not tell where it lives.
MOST_ZONES = 4
PHONE_MAX_LENGTH = 16  # "+" and 15 digits, by E.164
TIMEZONE_MAX_LENGTH = 160  # four of the longest names there are, joined

_TEXT_MAX_LENGTH = 40
# Numbers of the country code 1 as people and lists write them.
_NORTH_AMERICAN = re.compile(
    r"(?:\+?1)?[ ./-]*\(?([2-9][0-9]{2})\)?[ ./-]*([2-9][0-9]{2})[ ./-]*([0-9]{4})"
)
_WRITTEN = re.compile(r"[0-9+()./ \u00a0-]+")
_SHORTEST_PREFIX, _LONGEST_PREFIX = 4, 7  # "1" and the area code; and the exchange
_WITH_A_PLACE = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }
)


class PhoneError(ValueError):
    """The text is no phone number that a text could go to. The message says why, without it."""


class TimezoneError(ValueError):
    """The text names no time zone of the IANA's."""


class Place(NamedTuple):
    """A number in E.164 with its time zones ("" unknown, see above) and its state ("" none)."""

    phone: str
    timezone: str
    state: str


def read_phone(text: str) -> str:
    """The number in E.164 form; one without a country code is of the United States.

    Raises `PhoneError`.
    """
    match = _NORTH_AMERICAN.fullmatch(text.strip())
    if match:
        return "+1" + "".join(match.groups())
    return phonenumbers.format_number(_parse(text), phonenumbers.PhoneNumberFormat.E164)


def locate(text: str) -> Place:
    """The place of a number as people write it. Raises `PhoneError`."""
    match = _NORTH_AMERICAN.fullmatch(text.strip())
    if match:
        area, exchange, line = match.groups()
        phone = f"+1{area}{exchange}{line}"
        return Place(phone, *(_of_area(area) or _north_american(f"1{area}{exchange}")))
    phone = read_phone(text)
    return Place(phone, _zones_abroad(phone), "")


def locate_many(texts: Iterable[str]) -> list[Place | None]:
    """`locate` for each, in order; None for what is no number. About 2 µs each in North America."""
    places: list[Place | None] = []
    for text in texts:
        try:
            places.append(locate(text))
        except PhoneError:
            places.append(None)
    return places


def zones_of(timezone: str) -> tuple[str, ...]:
    """The single zones of a stored value; none for a blank one."""
    return tuple(timezone.split(ZONE_SEPARATOR)) if timezone else ()


def check_timezone(text: str) -> str:
    """A zone as callers give it: one IANA name. Raises `TimezoneError`."""
    if text not in _known_zones():
        raise TimezoneError("Unknown time zone; expected an IANA name like America/New_York.")
    return text


@cache
def _known_zones() -> frozenset[str]:
    # "Factory" and "localtime" name no place.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _parse(text: str) -> phonenumbers.PhoneNumber:
    if len(text) > _TEXT_MAX_LENGTH or not _WRITTEN.fullmatch(text.strip()):
        raise PhoneError("Must be a phone number: digits, at most 15, with the country code first.")
    try:
        number = phonenumbers.parse(text, "US")
    except NumberParseException:
        raise PhoneError("Is no phone number; write it like +17325550100.") from None
    if not phonenumbers.is_possible_number(number):
        raise PhoneError("Has too few or too many digits; write it like +17325550100.")
    if number.country_code == 1:  # what is well written was taken by the pattern
        raise PhoneError("No number of the country code 1 has such an area code or exchange.")
    return number


def _north_american(prefix: str) -> tuple[str, str]:
    """Zones and state by "1", area code and exchange: the longest prefix in the table counts.

    `phonenumbers` does the same after it has parsed the number, which takes twenty times as long.
    """
    for length in range(_LONGEST_PREFIX, _SHORTEST_PREFIX - 1, -1):
        zones = TIMEZONE_DATA.get(prefix[:length])
        if zones:
            return _joined(zones), STATE_BY_AREA_CODE.get(prefix[1:4], "")
    return "", STATE_BY_AREA_CODE.get(prefix[1:4], "")


@cache
def _of_area(area: str) -> tuple[str, str] | None:
    """Zones and state of an area code; None where the table goes by its exchanges as well."""
    return None if f"1{area}" in _areas_with_exchanges() else _north_american(f"1{area}")


@cache
def _areas_with_exchanges() -> frozenset[str]:
    return frozenset(
        prefix[:_SHORTEST_PREFIX]
        for prefix in TIMEZONE_DATA
        if prefix.startswith("1") and len(prefix) > _SHORTEST_PREFIX
    )


def _zones_abroad(phone: str) -> str:
    number = phonenumbers.parse(phone)
    if phonenumbers.number_type(number) not in _WITH_A_PLACE:
        return ""
    return _joined(time_zones_for_geographical_number(number))


@cache
def _joined(zones: tuple[str, ...]) -> str:
    """The zones that differ by the clock, the one of most numbers for each kind of clock."""
    known = [zone for zone in zones if zone in _known_zones()]
    by_clock: dict[tuple[object, ...], str] = {}
    for zone in sorted(known, key=lambda name: (-_numbers_by_zone()[name], name)):
        by_clock.setdefault(_clock(zone), zone)
    names = sorted(by_clock.values())
    return ZONE_SEPARATOR.join(names) if len(names) <= MOST_ZONES else ""


@cache
def _numbers_by_zone() -> Counter[str]:
    return Counter(zone for zones in TIMEZONE_DATA.values() for zone in zones)


@cache
def _clock(zone: str) -> tuple[object, ...]:
    """What tells two zones apart: how far they are from UTC on each day of the coming two years."""
    start = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    info = ZoneInfo(zone)
    return tuple(
        datetime.fromtimestamp(start + day * 86_400, tz=info).utcoffset() for day in range(730)
    )
