"""Claiming a chunk: one statement, the database's clock, a fence that rises.

The same statement reads the switch, checks every text once more, settles those that must not go
any more, and reads what the others need: a pause holds for the very next claim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import connection

from apps.queues.database import preparing_cursor
from apps.sms.choosing.allowing import Refusal, still_allowed_sql
from apps.sms.config import sending_on_sql

if TYPE_CHECKING:
    from datetime import date

    from apps.sms.calling.calls import Ready


@dataclass(frozen=True, slots=True)
class Text:
    """One reservation that may still be sent, with what its words need."""

    id: int
    message_id: int
    phone: str
    body: str
    subscriber: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BrandFacts:
    """What all texts of a chunk share."""

    name: str
    website: str
    shortcode: str
    is_bulk: bool
    texts_per_call: int
    checks_numbers: bool


@dataclass(slots=True)
class Chunk:
    """A chunk that the caller owns under `fence`.

    `left` counts its texts without an outcome, `back` those that shall be tried again, `wait_s`
    from now; `has_failed` tells that trying them cost an attempt. `unchecked` counts the numbers
    that the provider is still to be asked about.
    """

    id: int
    fence: int
    local_day: date
    attempts: int
    correlation_id: str
    brand: BrandFacts
    texts: list[Text] = field(default_factory=list)
    left: int = 0
    back: int = 0
    wait_s: float = 0.0
    has_failed: bool = False
    sent: int = 0
    doubts: int = 0
    unreachable: int = 0
    unchecked: int = 0
    checked: list[Ready] = field(default_factory=list)


ACCOUNT_BRANDS = f"""
SELECT brand.id, brand.name, brand.website,
       coalesce(nullif(own.shortcode, ''), station.shortcode, '') AS shortcode,
       coalesce(nullif(own.transport, ''), nullif(station.transport, ''), 'bulk') = 'bulk'
           AS is_bulk,
       coalesce(own.texts_per_call, station.texts_per_call, 100) AS texts_per_call,
       coalesce(own.check_per_number, station.check_per_number, false) AS checks_numbers
  FROM brands_brand brand
  LEFT JOIN sms_textconfig own ON own.brand_id = brand.id
  LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
  JOIN brands_provideraccount account
    ON account.id = coalesce(own.account_id, station.account_id) AND account.stopped_at IS NULL
 WHERE account.id = %(account)s AND NOT coalesce(own.dry_run, station.dry_run, false)
   AND {sending_on_sql("brand.id")}
"""
"""The brands that may send by an account now, with what holds for them."""

# MATERIALIZED is what makes it one chunk: as a mere subquery, a join may run it once per row and
# claim everything due. Among brands the order is by chance, so that none starves the others.
_CLAIM = f"""
WITH brands AS MATERIALIZED ({ACCOUNT_BRANDS}), due AS MATERIALIZED (
    SELECT found.id FROM (SELECT id FROM brands ORDER BY random()) brand
     CROSS JOIN LATERAL (
           SELECT id FROM sms_textchunk
            WHERE brand_id = brand.id AND state <> 'done' AND state = 'waiting'
              AND due_at <= statement_timestamp()
            ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
           ) found
     LIMIT 1
), claimed AS (
    UPDATE sms_textchunk chunk
       SET state = 'working', fence = chunk.fence + 1,
           due_at = statement_timestamp() + make_interval(secs => %(lease)s)
      FROM due WHERE chunk.id = due.id
    RETURNING chunk.id, chunk.fence, chunk.local_day, chunk.attempts, chunk.correlation_id,
              chunk.brand_id
), texts AS MATERIALIZED (
    SELECT text.id, text.local_day, text.message_id, text.phone, message.body,
           subscriber.first_name, subscriber.last_name, subscriber.name,
           subscriber.traits::text AS traits,
           {still_allowed_sql("text")} AS refusal
      FROM claimed
      JOIN sms_senttext text
        ON text.local_day = claimed.local_day AND text.chunk_id = claimed.id
       AND text.state = 'reserved'
      LEFT JOIN sms_subscriber subscriber ON subscriber.id = text.subscriber_id
      LEFT JOIN sms_textmessage message ON message.id = text.message_id
), refused AS (
    UPDATE sms_senttext text
       SET state = CASE texts.refusal WHEN '{Refusal.OUTSIDE_HOURS}' THEN 'expired'
                                      ELSE 'skipped' END,
           reason = texts.refusal, settled_at = statement_timestamp()
      FROM texts
     WHERE texts.refusal IS NOT NULL AND text.local_day = texts.local_day AND text.id = texts.id
       AND text.state = 'reserved'
)
SELECT claimed.id, claimed.fence, claimed.local_day, claimed.attempts, claimed.correlation_id,
       brands.name, brands.website, brands.shortcode, brands.is_bulk, brands.texts_per_call,
       brands.checks_numbers,
       texts.id, texts.message_id, texts.phone, texts.body, texts.first_name, texts.last_name,
       texts.name, texts.traits
  FROM claimed
  JOIN brands ON brands.id = claimed.brand_id
  LEFT JOIN texts ON texts.refusal IS NULL
 ORDER BY texts.id
"""


def claim_chunk(*, account_id: int) -> Chunk | None:
    """Takes the chunk of the account that is due first, or None where nothing is due.

    It may have no text left; it is to be finished all the same (see `recording`).
    """
    with preparing_cursor() as cursor:
        cursor.execute(_CLAIM, {"account": account_id, "lease": settings.BATCH_LEASE_SECONDS})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    if not rows:
        return None
    first = rows[0]
    chunk_id, fence, local_day, attempts, correlation_id = first[:5]
    brand = BrandFacts(*first[5:11])
    chunk = Chunk(chunk_id, fence, local_day, attempts, correlation_id, brand)
    chunk.texts = [_text(row[11:]) for row in rows if row[11] is not None]
    chunk.left = len(chunk.texts)
    return chunk


def _text(row: tuple[Any, ...]) -> Text:
    text_id, message_id, phone, body, first_name, last_name, name, traits = row
    subscriber: dict[str, Any] = {
        "first_name": first_name,
        "last_name": last_name,
        "name": name,
        "traits": orjson.loads(traits) if "traits" in body else {},
    }
    return Text(text_id, message_id, phone, body, subscriber)


# A chunk whose lease is over belonged to a worker that died: what it was calling is in doubt, the
# rest waits for another. A marking that was committed meanwhile has moved `due_at`, which the lock
# looks at again.
_REAP = """
WITH lapsed AS MATERIALIZED (
    SELECT id, local_day FROM sms_textchunk
     WHERE state = 'working' AND due_at <= statement_timestamp()
     ORDER BY due_at LIMIT 50 FOR UPDATE SKIP LOCKED
), lost AS (
    UPDATE sms_senttext text
       SET state = 'unknown', reason = 'worker_lost', settled_at = statement_timestamp()
      FROM lapsed
     WHERE text.local_day = lapsed.local_day AND text.chunk_id = lapsed.id
       AND text.state = 'calling'
    RETURNING text.chunk_id
), waiting AS MATERIALIZED (
    SELECT DISTINCT text.chunk_id FROM lapsed
      JOIN sms_senttext text
        ON text.local_day = lapsed.local_day AND text.chunk_id = lapsed.id
       AND text.state = 'reserved'
), reaped AS (
    UPDATE sms_textchunk chunk
       SET fence = chunk.fence + 1, due_at = statement_timestamp(),
           state = CASE WHEN waiting.chunk_id IS NULL THEN 'done' ELSE 'waiting' END,
           done_at = CASE WHEN waiting.chunk_id IS NULL THEN statement_timestamp() END
      FROM lapsed LEFT JOIN waiting ON waiting.chunk_id = lapsed.id
     WHERE chunk.id = lapsed.id
    RETURNING chunk.id
)
SELECT reaped.id, count(lost.chunk_id)
  FROM reaped LEFT JOIN lost ON lost.chunk_id = reaped.id
 GROUP BY reaped.id
"""


def reap_lapsed() -> list[tuple[int, int]]:
    """Ends the leases of dead workers, of all accounts; (chunk, texts in doubt) of each."""
    with connection.cursor() as cursor:
        cursor.execute(_REAP)
        return [(int(chunk), int(doubts)) for chunk, doubts in cursor.fetchall()]
