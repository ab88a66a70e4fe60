"""How many mails an account may send per day and per month of the UTC calendar."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from apps.sandbox.resend.errors import quota_exceeded


class Quotas:
    def __init__(self) -> None:
        self.used_today = 0
        self.used_this_month = 0
        self._day = self._month = ""

    def check(self, count: int, *, epoch: float, daily: int | None, monthly: int | None) -> None:
        """Raise the 429 that says which quota `count` more mails would break.

        Retry-after is the time to the end of the UTC day or month.
        """
        now = datetime.fromtimestamp(epoch, UTC)
        self._turn(now)
        if daily is not None and self.used_today + count > daily:
            raise quota_exceeded("daily", _seconds_until(now, _next_day(now)))
        if monthly is not None and self.used_this_month + count > monthly:
            raise quota_exceeded("monthly", _seconds_until(now, _next_month(now)))

    def use(self, count: int) -> None:
        self.used_today += count
        self.used_this_month += count

    def _turn(self, now: datetime) -> None:
        day, month = now.strftime("%Y-%m-%d"), now.strftime("%Y-%m")
        if day != self._day:
            self._day, self.used_today = day, 0
        if month != self._month:
            self._month, self.used_this_month = month, 0


def _next_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _next_month(now: datetime) -> datetime:
    return _next_day(now.replace(day=28) + timedelta(days=4)).replace(day=1)


def _seconds_until(now: datetime, end: datetime) -> int:
    return math.ceil((end - now).total_seconds())
