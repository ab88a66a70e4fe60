"""Figures of texts: by day for a brand, by message for a campaign. Some minutes behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection

from apps.sms.models import ChoiceRun

if TYPE_CHECKING:
    from collections.abc import Iterable

DAYS = 30
# A month of a busy brand's events is read for these: nobody needs them fresher.
KEPT_SECONDS = 60
STATES = ("sent", "unknown", "failed", "skipped", "expired")


@dataclass(frozen=True, slots=True)
class Day:
    """`texts` by state; `left` are opt-outs, `revenue` is put down to texts."""

    day: date
    texts: dict[str, int] = field(default_factory=dict)
    left: int = 0
    clicks: int = 0
    purchases: int = 0
    revenue: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class MessageFigures:
    """One message since it was made. `click_rate` is of those sent, in per cent."""

    message_id: int
    name: str
    texts: dict[str, int]
    clicks: int
    purchases: int
    revenue: Decimal

    @property
    def sent(self) -> int:
        return self.texts.get("sent", 0)

    @property
    def click_rate(self) -> float:
        return round(100 * self.clicks / self.sent, 1) if self.sent else 0.0


def brand_days(brand_id: int) -> list[Day]:
    """The last thirty days, oldest first, at most a minute old; three queries."""
    key = f"sms-days-{brand_id}"
    found: list[Day] | None = cache.get(key)
    if found is None:
        found = _brand_days(brand_id)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _brand_days(brand_id: int) -> list[Day]:
    first = datetime.now(tz=UTC).date() - timedelta(days=DAYS - 1)
    facts = {"brand": brand_id, "first": first, "currency": settings.TEXT_CURRENCY}
    texts: dict[date, dict[str, int]] = {}
    for day, state, number in _rows(_TEXTS, facts):
        texts.setdefault(day, {})[state] = number
    left = dict(_rows(_LEFT, facts))
    events = {day: rest for day, *rest in _rows(_EVENTS, facts)}
    return [
        Day(day, texts.get(day, {}), left.get(day, 0), *events.get(day, (0, 0, Decimal(0))))
        for day in (first + timedelta(days=number) for number in range(DAYS))
    ]


def unit() -> str:
    """The currency that revenue is shown in."""
    return str(settings.TEXT_CURRENCY)


def today_by_reason(brand_id: int) -> dict[str, int]:
    """Why people got no text in the newest run, by reason; the largest first."""
    run = ChoiceRun.objects.filter(brand=brand_id).order_by("-minute").first()
    return dict(sorted(run.reasons.items(), key=lambda pair: -pair[1])) if run else {}


def campaign_messages(campaign_id: int) -> list[MessageFigures]:
    """Each message of the campaign; three queries."""
    facts = {"campaign": campaign_id, "currency": settings.TEXT_CURRENCY}
    texts: dict[int, dict[str, int]] = {}
    for message_id, state, number in _rows(_MESSAGE_TEXTS, facts):
        texts.setdefault(message_id, {})[state] = number
    events = {message_id: rest for message_id, *rest in _rows(_MESSAGE_EVENTS, facts)}
    return [
        MessageFigures(
            pk, name or f"message {pk}", texts.get(pk, {}), *events.get(pk, (0, 0, Decimal(0)))
        )
        for pk, name in _rows(_MESSAGES, facts)
    ]


def _rows(statement: str, facts: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


_TEXTS = """
SELECT local_day, state, sum(number)::bigint FROM sms_textfigure
WHERE brand_id = %(brand)s AND local_day >= %(first)s GROUP BY 1, 2
"""
_LEFT = """
SELECT (opted_out_at AT TIME ZONE 'UTC')::date, count(*) FROM sms_subscription
WHERE brand_id = %(brand)s AND opted_out_at >= %(first)s AND NOT active GROUP BY 1
"""
_WORTH = """
    count(*) FILTER (WHERE event_type = 'click'),
    count(*) FILTER (WHERE event_type = 'purchase' AND coalesce(value, 0) >= 0),
    coalesce(sum(value) FILTER (
        WHERE event_type = 'purchase' AND currency IN ('', %(currency)s)), 0)
"""
_EVENTS = f"""
SELECT (occurred_at AT TIME ZONE 'UTC')::date, {_WORTH} FROM sms_trackingevent
WHERE brand_id = %(brand)s AND event_type IN ('click', 'purchase') AND message_id IS NOT NULL
  AND occurred_at >= %(first)s GROUP BY 1
"""
_MESSAGES = "SELECT id, name FROM sms_textmessage WHERE campaign_id = %(campaign)s ORDER BY id"
_MESSAGE_TEXTS = """
SELECT message_id, state, sum(number)::bigint FROM sms_textfigure
WHERE message_id IN (SELECT id FROM sms_textmessage WHERE campaign_id = %(campaign)s)
GROUP BY 1, 2
"""
_MESSAGE_EVENTS = f"""
SELECT message_id, {_WORTH} FROM sms_trackingevent
WHERE message_id IN (SELECT id FROM sms_textmessage WHERE campaign_id = %(campaign)s)
  AND event_type IN ('click', 'purchase')
GROUP BY 1
"""
