"""Recording what people did: once each, put down to a text, counted on the person.

Two statements for any number of events. The first locks the people, always in the same order; the
second finds what each event is put down to, drops what was counted before, appends the rest and
adds it to the people's totals. An event that names no message is put down to the last text of the
brand in the days before it (FLUX_TEXT_ATTRIBUTION_DAYS). Without an id of its own an event is the
same as another of the person, the message, the type and the span of time
(FLUX_TEXT_EVENT_BUCKET_SECONDS). Revenue in other currencies than FLUX_TEXT_CURRENCY stays on the
event and is not added up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that one person did. `event_type` and `source` are those of `TrackingEvent`."""

    brand_id: int
    subscriber_id: int
    event_type: str
    source: str
    occurred_at: datetime
    event_id: str = ""
    message_id: int | None = None
    campaign_id: int | None = None
    text_day: date | None = None
    text_id: int | None = None
    link_slot: int | None = None
    value: Decimal | None = None
    currency: str = ""
    keyword: str | None = None


def record(happenings: Sequence[Happening]) -> list[bool]:
    """For each, in order, whether it is new: what was counted before changes nothing."""
    if not happenings:
        return []
    rows = [{**asdict(one), "ord": number} for number, one in enumerate(happenings)]
    facts: dict[str, Any] = {
        "rows": orjson.dumps(rows, default=str).decode(),
        "days": settings.TEXT_ATTRIBUTION_DAYS,
        "bucket": settings.TEXT_EVENT_BUCKET_SECONDS,
        "currency": settings.TEXT_CURRENCY,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [sorted({one.subscriber_id for one in happenings})])
        cursor.execute(_RECORD, facts)
        new = {number for (number,) in cursor.fetchall()}
    return [number in new for number in range(len(happenings))]


_LOCK = "SELECT 1 FROM sms_subscriber WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

_RECORD = """
WITH given AS MATERIALIZED (
    SELECT g.ord, g.brand_id, g.subscriber_id, g.event_type, g.source, g.occurred_at, g.event_id,
        coalesce(g.message_id, last.message_id) AS message_id,
        coalesce(named.campaign_id, g.campaign_id, last.campaign_id) AS campaign_id,
        coalesce(g.text_day, last.local_day) AS text_day,
        coalesce(g.text_id, last.id) AS text_id,
        g.link_slot, g.value, g.currency, g.keyword
    FROM json_to_recordset(%(rows)s::json) AS g (
        ord integer, brand_id bigint, subscriber_id bigint, event_type text, source text,
        occurred_at timestamptz, event_id text, message_id bigint, campaign_id bigint,
        text_day date, text_id bigint, link_slot smallint, value numeric, currency text,
        keyword text)
    LEFT JOIN sms_textmessage named ON named.id = g.message_id
    LEFT JOIN LATERAL (
        SELECT t.message_id, t.campaign_id, t.local_day, t.id
        FROM sms_senttext t
        WHERE g.message_id IS NULL AND g.campaign_id IS NULL
          AND t.subscriber_id = g.subscriber_id AND t.brand_id = g.brand_id
          AND t.local_day BETWEEN
              (g.occurred_at - make_interval(secs => %(days)s * 86400))::date - 1
              AND g.occurred_at::date + 1
          AND t.state IN ('sent', 'unknown')
          AND t.calling_at <= g.occurred_at
          AND t.calling_at >= g.occurred_at - make_interval(secs => %(days)s * 86400)
        ORDER BY t.calling_at DESC LIMIT 1
    ) last ON true
), keyed AS (
    SELECT given.*, sha256(convert_to(CASE
        WHEN event_id <> '' THEN 'id ' || brand_id || ' ' || event_id
        ELSE concat_ws(' ', 'at', subscriber_id, coalesce(message_id, 0), event_type,
                       floor(extract(epoch FROM occurred_at) / %(bucket)s)) END, 'UTF8')) AS key
    FROM given
), counted AS (
    INSERT INTO sms_eventkey (key, occurred_at)
    SELECT DISTINCT ON (key) key, occurred_at FROM keyed ORDER BY key, ord
    ON CONFLICT DO NOTHING
    RETURNING key
), fresh AS MATERIALIZED (
    SELECT DISTINCT ON (keyed.key) keyed.* FROM keyed JOIN counted USING (key)
    ORDER BY keyed.key, ord
), appended AS (
    INSERT INTO sms_trackingevent (brand_id, subscriber_id, event_type, source, occurred_at,
        provider_event_id, message_id, campaign_id, text_day, text_id, link_slot, value, currency,
        keyword)
    SELECT brand_id, subscriber_id, event_type, source, occurred_at, event_id, message_id,
        campaign_id, CASE WHEN text_id IS NOT NULL THEN text_day END,
        CASE WHEN text_day IS NOT NULL THEN text_id END, link_slot, value, currency, keyword
    FROM fresh
), done AS (
    SELECT subscriber_id,
        count(*) FILTER (WHERE event_type = 'click') AS clicks,
        min(occurred_at) FILTER (WHERE event_type = 'click') AS first_click,
        count(*) FILTER (
            WHERE event_type = 'purchase' AND coalesce(value, 0) >= 0) AS purchases,
        min(occurred_at) FILTER (WHERE event_type = 'purchase') AS first_purchase,
        max(occurred_at) FILTER (WHERE event_type = 'purchase') AS last_purchase,
        coalesce(sum(value) FILTER (
            WHERE event_type = 'purchase' AND currency IN ('', %(currency)s)), 0) AS revenue,
        min(occurred_at) AS earliest, max(occurred_at) AS latest,
        (array_agg(touch ORDER BY occurred_at, ord))[1] AS first_touch,
        (array_agg(touch ORDER BY occurred_at DESC, ord DESC))[1] AS last_touch
    FROM (
        SELECT *, jsonb_strip_nulls(jsonb_build_object('type', event_type, 'at', occurred_at,
            'brand', brand_id, 'campaign', campaign_id, 'message', message_id,
            'keyword', keyword)) AS touch
        FROM fresh WHERE event_type <> 'bot_click'
    ) told
    GROUP BY subscriber_id
), added AS (
    UPDATE sms_subscriber AS s SET
        has_clicked = s.has_clicked OR done.clicks > 0,
        has_purchased = s.has_purchased OR done.purchases > 0,
        first_click_at = least(s.first_click_at, done.first_click),
        first_purchase_at = least(s.first_purchase_at, done.first_purchase),
        last_purchase_at = greatest(s.last_purchase_at, done.last_purchase),
        last_engagement = greatest(s.last_engagement, done.latest),
        total_clicks = s.total_clicks + done.clicks,
        total_purchases = s.total_purchases + done.purchases,
        total_revenue = s.total_revenue + done.revenue,
        first_touch = CASE
            WHEN s.first_touch ? 'at' AND (s.first_touch ->> 'at')::timestamptz <= done.earliest
            THEN s.first_touch ELSE done.first_touch END,
        last_touch = CASE
            WHEN s.last_touch ? 'at' AND (s.last_touch ->> 'at')::timestamptz > done.latest
            THEN s.last_touch ELSE done.last_touch END,
        updated_at = statement_timestamp()
    FROM done WHERE s.id = done.subscriber_id
)
SELECT ord FROM fresh
"""
