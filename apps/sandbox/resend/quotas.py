"""How many mails an account may send per day and per month of the UTC calendar."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apps.sandbox.resend.errors import quota_exceeded

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY_SECONDS = 86_400


class Quotas:
    def __init__(self) -> None:
        self.used_today = 0
        self.used_this_month = 0
        self._day = -1.0
        self._month = (0, 0)

    def check(self, count: int, *, epoch: float, daily: int | None, monthly: int | None) -> None:
        """Raise the 429 that says which quota `count` more mails would break.

        Retry-after is the time to the end of the UTC day or month.
        """
        if epoch // _DAY_SECONDS != self._day:
            self._turn(epoch)
        if daily is not None and self.used_today + count > daily:
            raise quota_exceeded("daily", _seconds_until(epoch, _next_day))
        if monthly is not None and self.used_this_month + count > monthly:
            raise quota_exceeded("monthly", _seconds_until(epoch, _next_month))

    def use(self, count: int) -> None:
        self.used_today += count
        self.used_this_month += count

    def _turn(self, epoch: float) -> None:
        self._day, self.used_today = epoch // _DAY_SECONDS, 0
        now = datetime.fromtimestamp(epoch, UTC)
        if (now.year, now.month) != self._month:
            self._month, self.used_this_month = (now.year, now.month), 0


def _next_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _next_month(now: datetime) -> datetime:
    return _next_day(now.replace(day=28) + timedelta(days=4)).replace(day=1)


def _seconds_until(epoch: float, end: Callable[[datetime], datetime]) -> int:
    now = datetime.fromtimestamp(epoch, UTC)
    return math.ceil((end(now) - now).total_seconds())
