"""Storing: calls are claimed under a lease, their interactions inserted many calls at a time.

A call goes in the transaction that its interactions come in: killed anywhere, it is either still
there or they are all in the table. What somebody told twice meets the unique event id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction

from apps.newsletter.models import PulseCall
from apps.newsletter.pulse import letters
from apps.newsletter.pulse.taking import pack, unpack
from apps.queues import figures, partitions
from apps.queues.correlation import under_correlation_id
from apps.queues.database import is_database_away, preparing_cursor
from apps.queues.names import Queue, TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

log = structlog.get_logger(__name__)

# Inserted together: a third of a second's work, so that no transaction is long.
ROWS_TOGETHER = 10_000
CALLS_TOGETHER = 200
ATTEMPTS = 5
RETRY_SECONDS = (2, 10, 60, 300)
# Far below the task's time limit; the sweeper wakes the next one while calls wait.
TURN_SECONDS = 30.0
ENOUGH = 50
TABLE = "newsletter_interaction"
ERROR_LIMIT = 300
# PostgreSQL's code where a row has no partition.
CHECK_VIOLATION = "23514"


@dataclass(frozen=True)
class ClaimedCall:
    """A call that the caller owns under `fence`; `content` is its JSON, unpacked."""

    id: int
    brand_id: int
    fence: int
    attempts: int
    rows: int
    content: bytes
    correlation_id: str


def store_interactions(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Works off what waits, until nothing does or the turn is over; returns how many rows."""
    ends_at = time.monotonic() + turn_seconds
    total = 0
    letters.bury_spent(attempts=ATTEMPTS)
    while calls := claim():
        total += store(calls)
        if time.monotonic() > ends_at:
            break
    return total


_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, rows FROM newsletter_pulsecall
     WHERE state <> 'dead' AND due_at <= statement_timestamp() AND attempts < %(attempts)s
     ORDER BY due_at LIMIT %(calls)s
       FOR UPDATE SKIP LOCKED
), chosen AS MATERIALIZED (
    SELECT id FROM (SELECT id, sum(rows) OVER (ORDER BY id) - rows AS before FROM due) summed
     WHERE before < %(rows)s
)
UPDATE newsletter_pulsecall call
   SET state = 'working', fence = call.fence + 1, attempts = call.attempts + 1,
       due_at = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM chosen WHERE call.id = chosen.id
RETURNING call.id, call.brand_id, call.fence, call.attempts, call.rows, call.content,
          call.correlation_id
"""


def claim(*, rows: int = ROWS_TOGETHER) -> list[ClaimedCall]:
    """The next due calls, at least one and then as many as have some `rows` interactions."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "attempts": ATTEMPTS,
                "calls": CALLS_TOGETHER,
                "rows": rows,
                "lease": settings.PULSE_LEASE_SECONDS,
            },
        )
        found = cursor.fetchall()
    return [
        ClaimedCall(pk, brand_id, fence, attempts, number, unpack(bytes(content)), correlation)
        for pk, brand_id, fence, attempts, number, content, correlation in found
    ]


def store(calls: Sequence[ClaimedCall]) -> int:
    """Stores the calls together, or one by one where that fails; returns how many rows came."""
    started = time.perf_counter()
    try:
        stored = _settle(calls)
    except DatabaseError as error:
        if is_database_away(error):
            raise
        log.warning("pulse_page_failed", calls=len(calls), error=type(error).__name__)
        stored = sum(_store_alone(call) for call in calls)
    figures.note_units(Queue.PULSE, stored)
    log.info(
        "run_ended",
        name="newsletter.store_interactions",
        arguments={"calls": len(calls), "interactions": sum(call.rows for call in calls)},
        row_count=stored,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return stored


_LET_GO = """
DELETE FROM newsletter_pulsecall call
 USING unnest(%(ids)s::bigint[], %(fences)s::int[]) AS given (id, fence)
 WHERE call.id = given.id AND call.fence = given.fence AND call.state = 'working'
RETURNING call.id
"""
# PostgreSQL takes the JSON apart: an array per column costs this process ten times as much. It
# travels as it is (%b): written into an array's text, each of its quotes would be escaped and read
# again, which took longer than storing it.
_INSERT = """
INSERT INTO newsletter_interaction
       (month, brand_id, contact_id, kind, subject, event_id, occurred_at)
SELECT date_trunc('month', one.t AT TIME ZONE 'UTC')::date, call.brand_id,
       coalesce(by_id.id, by_address.id), one.k, coalesce(one.s, ''), one.e, one.t
  FROM unnest(%(brands)s::bigint[], %(contents)b::text[]) AS call (brand_id, content)
 CROSS JOIN LATERAL json_to_recordset(call.content::json)
            AS one (e text, k text, t timestamptz, c bigint, a text, s text)
  LEFT JOIN contacts_contact by_id ON by_id.id = one.c AND by_id.brand_id = call.brand_id
  LEFT JOIN contacts_contact by_address
    ON by_address.address = one.a AND by_address.brand_id = call.brand_id
ON CONFLICT DO NOTHING
"""


def _settle(calls: Sequence[ClaimedCall]) -> int:
    """The calls go and their interactions come, in one transaction; lost leases are left alone."""
    with transaction.atomic():
        owned = _let_go(calls)
        try:
            with transaction.atomic():
                return _insert(owned)
        except IntegrityError as error:
            if getattr(error.__cause__, "sqlstate", "") != CHECK_VIOLATION or not _make_room(owned):
                raise
        return _insert(owned)


def _let_go(calls: Sequence[ClaimedCall]) -> list[ClaimedCall]:
    with connection.cursor() as cursor:
        cursor.execute(
            _LET_GO,
            {"ids": [call.id for call in calls], "fences": [call.fence for call in calls]},
        )
        owned = {row[0] for row in cursor.fetchall()}
    if lost := [call.id for call in calls if call.id not in owned]:
        log.warning("pulse_lease_lost", calls=lost)
    return [call for call in calls if call.id in owned]


def _insert(calls: Sequence[ClaimedCall]) -> int:
    return _insert_texts([call.brand_id for call in calls], [call.content for call in calls])


def _insert_texts(brands: list[int], contents: list[bytes]) -> int:
    with preparing_cursor() as cursor:
        cursor.execute(
            _INSERT, {"brands": brands, "contents": [content.decode() for content in contents]}
        )
        return int(cursor.rowcount)


def _make_room(calls: Iterable[ClaimedCall]) -> bool:
    """Partitions for months that nobody told of before; whether there were any to make."""
    moments = {one["t"][:7] for call in calls for one in orjson.loads(call.content)}
    made = []
    for month in sorted(moments):
        around = datetime.fromisoformat(f"{month}-01").date()
        made += partitions.ensure_partitions(TABLE, around=around)
    return bool(made)


def _store_alone(call: ClaimedCall) -> int:
    """One call; rows that the database refuses are put aside, so that the others are kept."""
    with under_correlation_id(call.correlation_id):
        try:
            return _settle([call])
        except (DataError, IntegrityError):
            return _store_but_bad(call)
        except DatabaseError as error:
            if is_database_away(error):
                raise
            _try_later(call, error)
            return 0


def _store_but_bad(call: ClaimedCall) -> int:
    with transaction.atomic():
        if not _let_go([call]):
            return 0
        bad: list[tuple[dict[str, Any], str]] = []
        stored = _halve(call.brand_id, orjson.loads(call.content), bad)
        if bad:
            _put_aside(call, bad)
    return stored


def _halve(brand_id: int, rows: list[dict[str, Any]], bad: list[tuple[dict[str, Any], str]]) -> int:
    """Inserts all rows but those that are refused, which go into `bad` with the error's class."""
    try:
        with transaction.atomic():
            return _insert_texts([brand_id], [orjson.dumps(rows)])
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            bad.append((rows[0], type(error).__name__))
            return 0
    middle = len(rows) // 2
    return _halve(brand_id, rows[:middle], bad) + _halve(brand_id, rows[middle:], bad)


def _put_aside(call: ClaimedCall, bad: list[tuple[dict[str, Any], str]]) -> None:
    aside = PulseCall.objects.create(
        brand_id=call.brand_id,
        state=PulseCall.State.DEAD,
        rows=len(bad),
        content=pack([row for row, _ in bad]),
        attempts=call.attempts,
        last_error=bad[0][1],
        correlation_id=call.correlation_id,
    )
    letters.write(
        aside.pk,
        reason="interactions_refused",
        error=f"{bad[0][1]} at {len(bad)} of {call.rows} interactions",
        attempts=call.attempts,
    )


_TRY_LATER = """
UPDATE newsletter_pulsecall
   SET state = 'queued', last_error = %(error)s,
       due_at = statement_timestamp() + make_interval(secs => %(wait)s)
 WHERE id = %(id)s AND fence = %(fence)s AND state = 'working'
"""


def _try_later(call: ClaimedCall, error: Exception) -> None:
    """The last attempt's failure is found, and buried, by the next turn."""
    wait = RETRY_SECONDS[min(call.attempts, len(RETRY_SECONDS)) - 1]
    spent = call.attempts >= ATTEMPTS
    with connection.cursor() as cursor:
        cursor.execute(
            _TRY_LATER,
            {
                "id": call.id,
                "fence": call.fence,
                "wait": 0 if spent else wait,
                "error": type(error).__name__[:ERROR_LIMIT],
            },
        )
    log.warning("pulse_not_stored", pulse=call.id, attempt=call.attempts, spent=spent)


def due_calls() -> Iterable[Due]:
    """For the sweeper."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM newsletter_pulsecall"
            f" WHERE state <> 'dead' AND due_at <= statement_timestamp() LIMIT {ENOUGH}) due"
        )
        waiting = int(cursor.fetchone()[0])
    return [Due(TaskName.STORE_INTERACTIONS, waiting, {})] if waiting else []
