"""What a row of each kind of file becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

import orjson
from django.conf import settings
from django.db import connection

from apps.queues.partitions import ensure_partitions
from apps.sms import figures, zones
from apps.sms.models import TextMessage, TrackingEvent
from apps.sms.tracking import matching
from apps.sms.tracking.reading import take
from apps.sms.upserts import values
from apps.sms.upserts.reaching import reach_of_brand
from apps.sms.upserts.reading import FIELDS, read_item
from apps.sms.upserts.saving import save

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from apps.brands.models import Brand

Reject = tuple[int, str]
"""The place of a row in its page, and what is wrong with it."""

_TRUE, _FALSE = {"true", "1", "yes", "t", "y"}, {"false", "0", "no", "f", "n"}


class Job(Protocol):
    """One kind of file."""

    name: str
    known: Collection[str]
    required: Collection[str]

    def write(self, rows: Sequence[Mapping[str, str]]) -> list[Reject]:
        """Writes the page within the transaction at hand; returns what it could not take."""


class SubscribersJob:
    """Subscribers of one brand, by the fields of the API."""

    name = "subscribers"
    required = ("phone",)

    def __init__(self, brand: Brand) -> None:
        self._reach = reach_of_brand(brand, actor="backfill")
        own = {field for field, slug in self._reach.flags.items() if slug == brand.slug}
        self._flags = own
        self.known = {"phone", *(one.name for one in FIELDS), *own}
        self._types = {one.name: one.sql_type for one in FIELDS} | dict.fromkeys(own, "boolean")

    def write(self, rows: Sequence[Mapping[str, str]]) -> list[Reject]:
        read = [read_item(self._typed(row), self._reach) for row in rows]
        rejects = [(place, told(bad)) for place, (item, bad) in enumerate(read) if item is None]
        items = [item for item, _ in read if item is not None]
        saved = save(items=items, reach=self._reach)
        return rejects + [
            (place, "phone: The person had all traces removed.")
            for place, (item, _) in enumerate(read)
            if item is not None and item.phone not in saved
        ]

    def _typed(self, row: Mapping[str, str]) -> dict[str, Any]:
        return {name: typed(value, self._types.get(name, "text")) for name, value in row.items()}


class EventsJob:
    """Events of one brand, by the fields of the API; none older than what is kept."""

    name = "events"
    known = (
        "type", "event_id", "phone", "email", "occurred_at", "message_id", "campaign_id", "value",
        "currency", "keyword",
    )  # fmt: skip
    required = ("type", "occurred_at")

    def __init__(self, brand: Brand) -> None:
        self._brand = brand
        now = datetime.now(tz=UTC)
        months = now.year * 12 + now.month - 1 - settings.TEXT_EVENT_RETENTION_MONTHS + 1
        self._since = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)

    def write(self, rows: Sequence[Mapping[str, str]]) -> list[Reject]:
        given = [self._typed(row) for row in rows]
        make_months("sms_trackingevent", (one.get("occurred_at") for one in given), self._since)
        outcomes = take(
            given,
            brand_id=self._brand.pk,
            source=TrackingEvent.Source.BACKFILL,
            since=self._since,
        )
        return [(place, told(one.errors)) for place, one in enumerate(outcomes) if one.errors]

    def _typed(self, row: Mapping[str, str]) -> dict[str, Any]:
        types = {"occurred_at": "timestamptz", "message_id": "integer", "campaign_id": "integer"}
        return {name: typed(value, types.get(name, "text")) for name, value in row.items()}


@dataclass(frozen=True, slots=True)
class _Text:
    subscriber_id: int
    phone: str
    message_id: int
    campaign_id: int
    local_day: date
    at: datetime


class SentLogJob:
    """Texts of one brand that another system sent: they count for caps and for attribution."""

    name = "sent-log"
    known = ("phone", "message_id", "sent_at")
    required = known

    def __init__(self, brand: Brand) -> None:
        self._brand = brand
        now = datetime.now(tz=UTC)
        self._since = datetime(now.year - 2, now.month, 1, tzinfo=UTC)

    def write(self, rows: Sequence[Mapping[str, str]]) -> list[Reject]:
        rejects: list[Reject] = []
        people = self._people(rows)
        messages = dict(
            TextMessage.objects.filter(brand=self._brand).values_list("pk", "campaign_id")
        )
        texts = []
        for place, row in enumerate(rows):
            try:
                texts.append(self._text(row, people, messages))
            except ValueError as error:
                rejects.append((place, str(error)))
        make_months("sms_senttext", (one.at.isoformat() for one in texts), self._since)
        self._insert(texts)
        return rejects

    def _people(self, rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[int, str]]:
        phones = {
            one.phone for one in zones.locate_many(row.get("phone", "") for row in rows) if one
        }
        found = matching.by_phone(brand_id=self._brand.pk, phones=phones)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT phone, id, timezone FROM sms_subscriber WHERE id = ANY(%s)",
                [list(found.values())],
            )
            return {phone: (number, zone) for phone, number, zone in cursor.fetchall()}

    def _text(
        self,
        row: Mapping[str, str],
        people: Mapping[str, tuple[int, str]],
        messages: Mapping[int, int],
    ) -> _Text:
        phone = zones.read_phone(row.get("phone", ""))
        if phone not in people:
            raise ValueError("phone: Nobody of the brand has it; bring the subscribers in first.")
        message = typed(row.get("message_id", ""), "integer")
        if message not in messages:
            raise ValueError("message_id: The brand has no such message.")
        at = values.moment_of(typed(row.get("sent_at", ""), "timestamptz"))
        if at < self._since:
            raise ValueError(f"sent_at: Must not lie before {self._since:%Y-%m-%d}.")
        subscriber_id, zone = people[phone]
        names = zones.zones_of(zone) or (zones.DEFAULT_TIMEZONE,)
        day = at.astimezone(ZoneInfo(names[0])).date()
        return _Text(subscriber_id, phone, message, messages[message], day, at)

    def _insert(self, texts: Sequence[_Text]) -> None:
        with connection.cursor() as cursor:
            rows = orjson.dumps([vars_of(one) for one in texts]).decode()
            cursor.execute(_INSERT_TEXTS, {"rows": rows, "brand": self._brand.pk})
        figures.note_changed({one.local_day for one in texts})


def vars_of(text: _Text) -> dict[str, Any]:
    return {name: getattr(text, name) for name in _Text.__slots__}


def typed(value: str, sql_type: str) -> Any:
    """A cell as JSON would tell it; what does not fit stays a text, to be refused by its reader.

    Times without an offset are UTC.
    """
    if sql_type == "boolean":
        low = value.lower()
        return True if low in _TRUE else False if low in _FALSE else value
    if sql_type == "integer":
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else value  # noqa: PLR2004 - a bigint's digits
    if sql_type == "timestamptz":
        try:
            return value if datetime.fromisoformat(value).tzinfo else f"{value}+00:00"
        except ValueError:
            return value
    return value


def told(problems: Mapping[str, list[str]] | None) -> str:
    return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in (problems or {}).items())


def make_months(table: str, moments: Any, since: datetime) -> None:
    """Partitions for all that the page holds; what cannot be read is refused later."""
    months = set()
    for one in moments:
        try:
            at = values.moment_of(one)
        except ValueError:
            continue
        if at >= since:
            months.add(date(at.year, at.month, 1))
    for month in sorted(months):
        ensure_partitions(table, around=month)


# A chunk of 0 is nobody's: these are done. A repetition changes nothing.
_INSERT_TEXTS = """
INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id, brand_id, chunk_id,
    reserved_at, until_at, calling_at, sent_at, settled_at, phone, state)
SELECT local_day, subscriber_id, message_id, campaign_id, %(brand)s, 0, at, at, at, at, at, phone,
    'sent'
FROM json_to_recordset(%(rows)s::json) AS given (subscriber_id bigint, phone text,
    message_id bigint, campaign_id bigint, local_day date, at timestamptz)
ON CONFLICT DO NOTHING
"""
