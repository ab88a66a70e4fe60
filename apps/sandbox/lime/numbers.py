"""Telephone numbers: reading them, and the endless row of made-up ones that lists are made of."""

from __future__ import annotations

AREAS = (
    # Eastern, with states of their own rules (FL, MD, NJ); Central (OK among them); Mountain,
    # Arizona without summer time; Pacific; Alaska and Hawaii.
    *("212", "305", "301", "201", "404", "617", "215", "317"),
    *("312", "214", "405", "504", "612", "512"),
    *("303", "801", "602"),
    *("213", "415", "206", "503", "702"),
    *("907", "808"),
)
_EXCHANGES = [f"{n}" for n in range(200, 1000) if n % 100 != 11]  # noqa: PLR2004 - N11 is no exchange
_EXCHANGE_PLACES = {exchange: place for place, exchange in enumerate(_EXCHANGES)}
_AREA_PLACES = {area: place for place, area in enumerate(AREAS)}
_PER_AREA = len(_EXCHANGES) * 10_000
CAPACITY = len(AREAS) * _PER_AREA
"""How many different numbers there are."""
_STRIDE = 2_654_437  # shares no factor with _PER_AREA: neighbours in a list look unrelated
_BACK = pow(_STRIDE, -1, _PER_AREA)
_US_DIGITS = 11
_SHORTEST, _LONGEST = 10, 15


def made_up(index: int) -> str:
    """The number at this place of the row, 11 digits: neighbours are in different area codes."""
    rest, area = divmod(index, len(AREAS))
    exchange, line = divmod(rest * _STRIDE % _PER_AREA, 10_000)
    return f"1{AREAS[area]}{_EXCHANGES[exchange]}{line:04}"


def place_of(mobile: str) -> int | None:
    """The place of a number in the row of made-up ones; None where it is not in it."""
    area = _AREA_PLACES.get(mobile[1:4])
    exchange = _EXCHANGE_PLACES.get(mobile[4:7])
    if len(mobile) != _US_DIGITS or mobile[0] != "1" or area is None or exchange is None:
        return None
    rest = (exchange * 10_000 + int(mobile[7:])) * _BACK % _PER_AREA
    return rest * len(AREAS) + area


def normal(mobile: str) -> str | None:
    """The digits with the country code in front, as the log has them; None for no number."""
    digits = mobile.strip().removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and _SHORTEST <= len(digits) <= _LONGEST):
        return None
    return "1" + digits if len(digits) == _SHORTEST else digits
