"""From a record of a list to a person, or to the reason why not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from apps.sms.listing.documents import DAMAGED

if TYPE_CHECKING:
    from apps.sms.listing.layout import Record

NUMBER_SHOWN, DATE_SHOWN = 60, 60
_NAME_LIMIT, _EMAIL_LIMIT = 100, 320
_DATE = re.compile(
    r"([0-9]{1,2}/[0-9]{1,2}/[0-9]{4}) +([0-9]{1,2})(:[0-5][0-9]:[0-5][0-9]) *([AaPp][Mm])?"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EARLIEST_YEAR, _LATEST_YEAR = 1990, 2100
_NOON, _HOURS = 12, 24


@dataclass(slots=True)
class Candidate:
    """A person before their number was looked at.

    `opted_in` is `2012-01-17 01:08:21` by the list's clock, empty where it cannot be read: then
    the person is on the list all the same, but nobody is opted in by it.
    """

    line: int
    number: str
    opted_in: str
    first_name: str
    last_name: str
    email: str


@dataclass(slots=True)
class Reject:
    """What is wrong with a record, for the person who has it corrected at the provider."""

    line: int
    field: str
    reason: str
    number: str
    opt_in_date: str


def read_person(record: Record) -> tuple[Candidate | None, Reject | None]:
    """The person, what is wrong with the record, or both: a number whose date cannot be read."""
    texts = record.texts
    number = texts.get("MobileNumber", "").strip()
    told_date = texts.get("OptInDate", "").strip()
    if not number or len(number) > NUMBER_SHOWN:
        reason = "is too long for a number" if number else "is missing"
        return None, _reject(record.line, "MobileNumber", reason, number, told_date)
    opted_in = read_date(told_date)
    person = Candidate(
        record.line,
        number,
        opted_in,
        _name(texts.get("FirstName", "")),
        _name(texts.get("LastName", "")),
        _email(texts.get("Email", "")),
    )
    if opted_in:
        return person, None
    reason = "is no date like 01/17/2012 01:08:21 AM" if told_date else "is missing"
    return person, _reject(record.line, "OptInDate", reason, number, told_date)


def unknown_number(person: Candidate) -> Reject:
    """The reject of a person whose number no telephone has."""
    told = "is no phone number that a text could go to"
    return _reject(person.line, "MobileNumber", told, person.number, person.opted_in)


def _reject(line: int, field: str, reason: str, number: str, told_date: str) -> Reject:
    return Reject(line, field, reason, _shown(number, NUMBER_SHOWN), _shown(told_date, DATE_SHOWN))


def read_date(text: str) -> str:
    """`01/17/2012 01:08:21 PM` as `2012-01-17 13:08:21`; empty for anything else."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    day, hour, rest, half = match.groups()
    iso_day, iso_hour = _day(day), _hour(hour, half)
    return f"{iso_day} {iso_hour}{rest}" if iso_day and iso_hour else ""


@lru_cache
def _hour(text: str, half: str | None) -> str:
    hour = int(text)
    if half:
        if not 1 <= hour <= _NOON:
            return ""
        hour = hour % _NOON + (_NOON if half[0] in "Pp" else 0)
    return f"{hour:02}" if hour < _HOURS else ""


@lru_cache(maxsize=4096)  # lists span years, and repeat their days
def _day(text: str) -> str:
    month, day, year = map(int, text.split("/"))
    if not _EARLIEST_YEAR <= year < _LATEST_YEAR:
        return ""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def _name(text: str) -> str:
    """A name as it is stored; empty where it was damaged on the way."""
    if not text or DAMAGED in text:
        return ""
    return " ".join(text.split())[:_NAME_LIMIT]


def _email(text: str) -> str:
    address = text.strip().lower()
    if not address or DAMAGED in address or len(address) > _EMAIL_LIMIT:
        return ""
    return address if _EMAIL.fullmatch(address) else ""


def _shown(text: str, limit: int) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:limit]
