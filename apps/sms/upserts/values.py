"""What the fields of a subscriber may hold, each read by one small function.

They take a value of JSON and return one that PostgreSQL reads; ValueError says what was expected,
without the value.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import orjson

from apps.sms import zones

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Any], Any]

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
CLOCK_SLACK = timedelta(days=1)  # callers' clocks, and dates that they mean in another zone
LARGEST_COUNT = 2_147_483_647
LARGEST_REVENUE = Decimal("999999999999.99")
TRAITS_BYTES = 16_384
_EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]]{1,64}@[^\s@<>\"(),:;\\\[\]]{1,255}\.[^\s@.]{2,63}")


def text(limit: int) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("Must be a text.")  # noqa: TRY004 - one class of error for all values
        if len(value) > limit:
            raise ValueError(f"Must have at most {limit} characters, not {len(value)}.")
        return value.strip()

    return read


def email(value: Any) -> str:
    """In lower case; "" takes away what was known."""
    found = str(text(320)(value)).lower()
    if found and not _EMAIL.fullmatch(found):
        raise ValueError("Must be an email address like anna@example.com.")
    return found


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Must be true or false.")  # noqa: TRY004 - as above
    return value


def count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"Must be a whole number from 0 to {LARGEST_COUNT}.")
    return value


def revenue(value: Any) -> str:
    """To the cent, as a text: a float of JSON is taken by what it shows."""
    amount = decimal_of(value)
    if amount is None or not 0 <= amount <= LARGEST_REVENUE:
        raise ValueError(f"Must be a number from 0 to {LARGEST_REVENUE}.")
    return str(amount.quantize(Decimal("0.01")))


def decimal_of(value: Any) -> Decimal | None:
    """A number of JSON, or one in a text, as it is shown; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount.adjusted()) < 20 else None  # noqa: PLR2004 - beyond any column


def moment(value: Any) -> str:
    """An ISO date and time with its offset, in UTC."""
    return moment_of(value).isoformat()


def moment_of(value: Any) -> datetime:
    told = "Must be an ISO date and time with its offset, like 2026-11-22T09:30:00Z."
    if not isinstance(value, str) or len(value) > 40:  # noqa: PLR2004 - longer than any
        raise ValueError(told)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(told) from None
    if found.tzinfo is None:
        raise ValueError(told)
    try:
        in_utc = found.astimezone(UTC)
    except OverflowError:
        raise ValueError(told) from None
    if not EARLIEST <= in_utc <= datetime.now(tz=UTC) + CLOCK_SLACK:
        raise ValueError("Must lie between 1990 and now.")
    return in_utc


def choice(*known: str) -> Reader:
    def read(value: Any) -> str:
        if value not in known:
            raise ValueError(f"Must be {' or '.join(known)}.")
        return str(value)

    return read


def traits(value: Any) -> dict[str, Any]:
    """An object, or one as a JSON text, which is how they used to be stored."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ValueError("Must be an object, or a text that holds one as JSON.") from None
    if not isinstance(value, dict):
        raise ValueError("Must be an object.")  # noqa: TRY004 - as above
    raw = orjson.dumps(value)
    if len(raw) > TRAITS_BYTES:
        raise ValueError(f"Must have at most {TRAITS_BYTES:,} bytes.")
    if b"\\u0000" in raw:
        raise ValueError("Must not hold a NUL character.")
    return value


def timezone(value: Any) -> str:
    """An IANA name; "" derives it from the number again."""
    found = text(64)(value)
    return zones.check_timezone(found) if found else ""
