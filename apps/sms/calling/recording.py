"""The two marks and the outcomes, written by one statement for many texts.

What is settled frees seats of the window, and what is marked `calling` takes them: both are
committed at once, so that the sent log never shows more texts on their way than the window holds,
and a worker that is killed leaves no others in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from apps.queues.database import preparing_cursor
from apps.sms.config import sending_on_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apps.sms.calling.claiming import Chunk
    from apps.sms.models import SentText

DETAIL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one text; `reserved` where it shall be tried again."""

    chunk: Chunk
    text_id: int
    state: SentText.State
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A text that is about to be called. Texts of one call share `call`, others do not."""

    chunk: Chunk
    text_id: int
    call: int
    segments: int


# `calling_at` differs by a microsecond between calls of one statement: so the number of requests
# can be told from the log (see `evidence`). Arrays travel in their binary form (%b), which takes a
# third of the time to write.
_RECORD = f"""
WITH settled AS (
    UPDATE sms_senttext text
       SET state = given.state, reason = given.reason, detail = given.detail,
           settled_at = CASE WHEN given.state <> 'reserved' THEN statement_timestamp() END,
           sent_at = CASE WHEN given.state = 'sent' THEN statement_timestamp() END,
           calling_at = CASE WHEN given.state <> 'reserved' THEN text.calling_at END
      FROM unnest(%(days)b::date[], %(ids)b::bigint[], %(fences)b::int[], %(states)b::text[],
                  %(reasons)b::text[], %(details)b::text[])
           AS given (local_day, id, fence, state, reason, detail)
     WHERE text.local_day = ANY (%(all_days)b::date[])
       AND text.local_day = given.local_day AND text.id = given.id
       AND (text.state = 'calling' AND text.fence = given.fence
         -- The answer came after the lease: it tells what the reaper could not know.
         OR text.state = 'unknown' AND text.fence = given.fence AND text.reason = 'worker_lost'
            AND given.state IN ('sent', 'failed')
         OR text.state = 'reserved' AND given.state IN ('failed', 'skipped'))
), held AS (
    UPDATE sms_textchunk chunk
       SET due_at = statement_timestamp() + make_interval(secs => %(lease)s)
      FROM unnest(%(held)b::bigint[], %(held_fences)b::int[]) AS given (id, fence)
     WHERE chunk.id = given.id AND chunk.fence = given.fence AND chunk.state = 'working'
       AND {sending_on_sql("chunk.brand_id")}
    RETURNING chunk.id, chunk.fence, chunk.local_day
), marked AS (
    UPDATE sms_senttext text
       SET state = 'calling', fence = held.fence, segments = given.segments,
           calling_at = statement_timestamp() + make_interval(secs => given.call * 0.000001)
      FROM unnest(%(marks)b::bigint[], %(mark_chunks)b::bigint[], %(mark_calls)b::int[],
                  %(mark_segments)b::int[]) AS given (id, chunk_id, call, segments)
      JOIN held ON held.id = given.chunk_id
     WHERE text.local_day = ANY (%(all_days)b::date[])
       AND text.local_day = held.local_day AND text.id = given.id
       -- Or marked by this very statement, when it was tried before and its answer got lost.
       AND (text.state = 'reserved' OR text.state = 'calling' AND text.fence = held.fence)
    RETURNING text.id
), ended AS (
    UPDATE sms_textchunk chunk
       SET state = CASE WHEN given.wait IS NULL THEN 'done' ELSE 'waiting' END,
           done_at = CASE WHEN given.wait IS NULL THEN statement_timestamp() END,
           due_at = statement_timestamp() + make_interval(secs => coalesce(given.wait, 0)),
           attempts = chunk.attempts + given.failed::int
      FROM unnest(%(ended)b::bigint[], %(ended_fences)b::int[], %(ended_waits)b::float[],
                  %(ended_failed)b::bool[]) AS given (id, fence, wait, failed)
     WHERE chunk.id = given.id AND chunk.fence = given.fence AND chunk.state = 'working'
)
SELECT id FROM marked
"""


def record(outcomes: Sequence[Outcome], marks: Sequence[Mark], ended: Iterable[Chunk]) -> set[int]:
    """Settles, marks and ends; returns the ids of the texts that were marked.

    A mark that is missing must not be called: its chunk's lease was lost, or its brand paused. No
    chunk may be both marked and ended.
    """
    with preparing_cursor() as cursor:
        cursor.execute(_RECORD, _parameters(outcomes, marks, list(ended)))
        return {row[0] for row in cursor.fetchall()}


def _parameters(
    outcomes: Sequence[Outcome], marks: Sequence[Mark], ended: Sequence[Chunk]
) -> dict[str, Any]:
    held = {mark.chunk.id: mark.chunk for mark in marks}
    days = {one.chunk.local_day for one in outcomes} | {one.local_day for one in held.values()}
    return {
        "days": [one.chunk.local_day for one in outcomes],
        "ids": [one.text_id for one in outcomes],
        "fences": [one.chunk.fence for one in outcomes],
        "states": [str(one.state) for one in outcomes],
        "reasons": [one.reason for one in outcomes],
        "details": [one.detail[:DETAIL_LIMIT] for one in outcomes],
        "all_days": sorted(days),
        "lease": settings.BATCH_LEASE_SECONDS,
        "held": list(held),
        "held_fences": [chunk.fence for chunk in held.values()],
        "marks": [mark.text_id for mark in marks],
        "mark_chunks": [mark.chunk.id for mark in marks],
        "mark_calls": [mark.call for mark in marks],
        "mark_segments": [mark.segments for mark in marks],
        "ended": [chunk.id for chunk in ended],
        "ended_fences": [chunk.fence for chunk in ended],
        "ended_waits": [chunk.wait_s if chunk.back else None for chunk in ended],
        "ended_failed": [chunk.has_failed for chunk in ended],
    }


_EVIDENCE = """
SELECT extract(epoch FROM statement_timestamp() - max(text.calling_at))::float,
       count(DISTINCT text.calling_at)
  FROM sms_textchunk chunk
  JOIN sms_senttext text ON text.local_day = chunk.local_day AND text.chunk_id = chunk.id
  LEFT JOIN sms_textconfig own ON own.brand_id = chunk.brand_id
  LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
 WHERE (chunk.state <> 'done'
        OR chunk.done_at > statement_timestamp() - make_interval(secs => %(seconds)s))
   AND text.calling_at > statement_timestamp() - make_interval(secs => %(seconds)s)
   AND coalesce(own.account_id, station.account_id) = %(account)s
 GROUP BY chunk.id, date_trunc('second', text.calling_at)
"""
EVIDENCE_SECONDS = 62


def evidence(*, account_id: int) -> list[tuple[float, int]]:
    """The account's requests of the last minute by the sent log: (age in seconds, requests)."""
    with connection.cursor() as cursor:
        cursor.execute(_EVIDENCE, {"account": account_id, "seconds": EVIDENCE_SECONDS})
        return [(float(age), int(calls)) for age, calls in cursor.fetchall()]
