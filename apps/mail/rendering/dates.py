"""Dates in templates: read from text or seconds, shown in one zone, the same on every machine.

The library's own filter asks the machine for the time, its zone, its locale and its C library;
a mail must not depend on where it was rendered. Names are English, as everywhere in Liquid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

from dateutil import parser as dateutil_parser
from liquid import Markup
from liquid.exceptions import FilterArgumentError
from liquid.undefined import is_undefined

from apps.mail.rendering.wording import type_in_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

MAX_DATE_CHARACTERS = 64
MAX_FORMAT_CHARACTERS = 200


@dataclass(frozen=True)
class Clock:
    """The instant that “now” means, and the zone in which dates are shown."""

    now: datetime
    zone: ZoneInfo

    @property
    def local(self) -> datetime:
        return self.now.astimezone(self.zone)


def show_date(value: object, form: object, *, clock: Clock) -> str:
    """The `date` filter. A missing date is empty; a text that is no date stays as it is.

    Instants (with an offset, or seconds since 1970) are moved into the clock's zone; dates and
    times without an offset are taken as that zone's own, so that a birthday never shifts.
    """
    if value is None or is_undefined(value) or value == "":
        return ""
    if is_undefined(form) or form is None:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FilterArgumentError(
            f"“date” expects a date, found a {type_in_words(value)}", token=None
        )
    shown = _shown(value, str(form), clock)
    if shown is None:
        return str(value)
    # Written in the template, the format may hold markup, as in “%d&nbsp;%B”.
    return Markup(shown) if isinstance(form, Markup) else shown


@lru_cache(maxsize=1024)
def _shown(value: str | float, form: str, clock: Clock) -> str | None:
    """Cached because the mails of a batch share their clock, and mostly their dates."""
    moment = _read(value, clock)
    return None if moment is None else _format(moment, form)


def _read(value: str | float, clock: Clock) -> datetime | None:
    if value in ("now", "today"):
        return clock.local
    if isinstance(value, str) and not value.isdigit():
        return _read_text(str(value).strip(), clock)
    return _read_seconds(float(value), clock)


def _read_seconds(seconds: float, clock: Clock) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).astimezone(clock.zone)
    except (OverflowError, ValueError, OSError):
        return None


def _read_text(text: str, clock: Clock) -> datetime | None:
    if len(text) > MAX_DATE_CHARACTERS:
        return None
    moment = _parse(text, clock.local.date().isoformat())
    if moment is None:
        return None
    try:
        if moment.tzinfo is None:
            return moment.replace(tzinfo=clock.zone)
        return moment.astimezone(clock.zone)
    except (OverflowError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _parse(text: str, today: str) -> datetime | None:
    """`today` fills what a text such as “10 May” leaves open."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return dateutil_parser.parse(
            text, default=datetime.fromisoformat(today), tzinfos=_named_offset
        )
    except (ValueError, OverflowError, ArithmeticError, TypeError):
        return None


def _named_offset(name: str | None, offset: int | None) -> tzinfo | None:
    """Without this, dateutil takes the machine's own zone for a name it knows there."""
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    return UTC if name in ("UTC", "GMT", "Z") else None


def _signed_offset(moment: datetime) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "x": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "v": "%e-%^b-%Y",
}
_WORDS: dict[str, Callable[[datetime], str]] = {
    "a": lambda at: _DAYS[at.weekday()][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "h": lambda at: _MONTHS[at.month - 1][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "p": lambda at: "AM" if at.hour < 12 else "PM",  # noqa: PLR2004 - noon
    "P": lambda at: "am" if at.hour < 12 else "pm",  # noqa: PLR2004 - noon
    "Z": lambda at: at.tzname() or "",
    "z": _signed_offset,
    "n": lambda _: "\n",
    "t": lambda _: "\t",
    "%": lambda _: "%",
}
# The number, its width and what fills it.
_NUMBERS: dict[str, tuple[Callable[[datetime], int], int, str]] = {
    "Y": (lambda at: at.year, 4, "0"),
    "C": (lambda at: at.year // 100, 2, "0"),
    "y": (lambda at: at.year % 100, 2, "0"),
    "m": (lambda at: at.month, 2, "0"),
    "d": (lambda at: at.day, 2, "0"),
    "e": (lambda at: at.day, 2, " "),
    "j": (lambda at: at.timetuple().tm_yday, 3, "0"),
    "H": (lambda at: at.hour, 2, "0"),
    "k": (lambda at: at.hour, 2, " "),
    "I": (lambda at: at.hour % 12 or 12, 2, "0"),
    "l": (lambda at: at.hour % 12 or 12, 2, " "),
    "M": (lambda at: at.minute, 2, "0"),
    "S": (lambda at: at.second, 2, "0"),
    "L": (lambda at: at.microsecond // 1000, 3, "0"),
    "f": (lambda at: at.microsecond, 6, "0"),
    "N": (lambda at: at.microsecond * 1000, 9, "0"),
    "s": (lambda at: int(at.timestamp()), 1, "0"),
    "u": (lambda at: at.isoweekday(), 1, "0"),
    "w": (lambda at: at.isoweekday() % 7, 1, "0"),
    "G": (lambda at: at.isocalendar().year, 4, "0"),
    "g": (lambda at: at.isocalendar().year % 100, 2, "0"),
    "V": (lambda at: at.isocalendar().week, 2, "0"),
    "U": (lambda at: (at.timetuple().tm_yday + 6 - at.isoweekday() % 7) // 7, 2, "0"),
    "W": (lambda at: (at.timetuple().tm_yday + 6 - at.weekday()) // 7, 2, "0"),
}
_DIRECTIVE = re.compile(r"%([-0^#_]*)(\d{0,2})([a-zA-Z%])")


def _format(moment: datetime, form: str) -> str:
    if len(form) > MAX_FORMAT_CHARACTERS:
        raise FilterArgumentError(
            f"a date format has at most {MAX_FORMAT_CHARACTERS} characters", token=None
        )
    return _DIRECTIVE.sub(lambda match: _directive(moment, match), form)


def _directive(moment: datetime, match: re.Match[str]) -> str:
    flags, width, letter = match.groups()
    if letter in _COMPOSED:
        shown = _format(moment, _COMPOSED[letter])
    elif letter in _WORDS:
        shown = _WORDS[letter](moment).rjust(int(width or 0))
    elif letter in _NUMBERS:
        number, digits, fill = _NUMBERS[letter]
        shown = _padded(number(moment), flags, int(width or digits), fill)
    else:
        return match[0]
    if "^" in flags:
        return shown.upper()
    return shown.swapcase() if "#" in flags else shown


def _padded(number: int, flags: str, width: int, fill: str) -> str:
    if "-" in flags:
        return str(number)
    if "_" in flags:
        fill = " "
    return str(number).rjust(width, "0" if "0" in flags else fill)
