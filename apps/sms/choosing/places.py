"""The distinct pairs of zone and state there are, and what the hours say to each at a moment.

There are some hundred pairs, however many people: all arithmetic of time is done here, once each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from apps.sms.choosing.hours import Hours, open_window, zones
from apps.sms.choosing.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from apps.sms.choosing.pool import Choice
    from apps.sms.config import EffectiveConfig

# The state of a number is only believed where it is one: another code has hours nobody knows.
US_STATES = frozenset({
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL",
    "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE",
    "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD",
    "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "GU", "MP", "PR", "VI",
})  # fmt: skip

# Steps from one pair to the next in the index, instead of reading everybody.
_PAIRS = """
WITH RECURSIVE pair AS (
    (SELECT timezone, state FROM sms_subscriber WHERE status = 'ACTIVE'
      ORDER BY timezone, state LIMIT 1)
    UNION ALL
    SELECT following.timezone, following.state
      FROM pair CROSS JOIN LATERAL (
           SELECT timezone, state FROM sms_subscriber
            WHERE status = 'ACTIVE' AND (timezone, state) > (pair.timezone, pair.state)
            ORDER BY timezone, state LIMIT 1) following
)
SELECT timezone, state FROM pair
"""
_ANY_HOURS = Hours()
_LAWS = "SELECT state, hours_from, hours_until, max_per_24h FROM sms_statehours"


@dataclass(frozen=True)
class Law:
    """What a state's law says of hours and of texts in 24 hours."""

    hours: Hours = _ANY_HOURS
    max_per_24h: int | None = None


@dataclass(frozen=True)
class Place:
    """One pair. `refused` says why nobody of it gets a text now; without it the rest is set.

    Outside the hours the day and the law are known all the same, for explanations.
    `until` is the end of the hours, `open_to` tells by the index of a message whether its own hours
    allow it, `ends` the earlier end of those that have one.
    """

    timezone: str
    state: str
    refused: Reason | None = None
    day: date | None = None
    until: datetime | None = None
    max_per_24h: int | None = None
    open_to: tuple[bool, ...] = ()
    ends: tuple[tuple[int, datetime], ...] = ()


def read_laws() -> dict[str, Law]:
    """By state; "" stands for a state that is not known. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_LAWS)
        return {
            state: Law(Hours(begins, ends), most) for state, begins, ends, most in cursor.fetchall()
        }


def read_pairs() -> list[tuple[str, str]]:
    """The pairs of all active subscribers. One statement, which reads an entry per pair."""
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS)
        return [(timezone, state) for timezone, state in cursor.fetchall()]


def judge(
    pairs: Sequence[tuple[str, str]],
    *,
    laws: Mapping[str, Law],
    config: EffectiveConfig,
    pool: Sequence[Choice],
    at: datetime,
) -> list[Place]:
    """What holds for each pair at `at`; in the order of `pairs`."""
    own = Hours(config.hours_from, config.hours_until)
    return [_judge_one(zone, state, laws, own, pool, at) for zone, state in pairs]


def _judge_one(  # noqa: PLR0913, PLR0917 - one pair, and what all pairs are judged by
    zone: str,
    state: str,
    laws: Mapping[str, Law],
    own: Hours,
    pool: Sequence[Choice],
    at: datetime,
) -> Place:
    if not zones(zone):
        return Place(zone, state, Reason.NO_ZONE)
    law = _law(state, laws)
    if law is None:
        return Place(zone, state, Reason.STATE_UNKNOWN)
    hours = own.narrowed(law.hours)
    window = open_window(zone, [hours], at)
    if window is None:
        day = at.astimezone(zones(zone)[0]).date()
        return Place(zone, state, Reason.OUTSIDE_HOURS, day, max_per_24h=law.max_per_24h)
    until = {
        index: _message_until(choice, zone, hours, at, window.until)
        for index, choice in enumerate(pool)
        if choice.has_own_end
    }
    return Place(
        zone,
        state,
        None,
        window.day,
        window.until,
        law.max_per_24h,
        tuple(until.get(index, window.until) is not None for index in range(len(pool))),
        tuple((index, end) for index, end in until.items() if end is not None),
    )


def _law(state: str, laws: Mapping[str, Law]) -> Law | None:
    """None: nobody knows the hours of that state, or of those whose state is not known."""
    if state and state not in US_STATES:
        return None
    return laws.get(state, Law() if state else None)


def _message_until(
    choice: Choice, zone: str, hours: Hours, at: datetime, until: datetime
) -> datetime | None:
    window = open_window(zone, [hours, choice.hours], at)
    if window is None:
        return None
    return min(one for one in (until, window.until, choice.ends_at) if one is not None)
