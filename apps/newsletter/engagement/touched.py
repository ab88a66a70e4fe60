"""Whose score may have changed: read from the tables of what happened, by cursors of our own.

Each page is one transaction that counts its people and moves its cursor: killed anywhere, the next
one goes on where the last page ended. Many things that one person did in a page count them once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.mail.events import people
from apps.newsletter.engagement.scoring import Rescored, rescore
from apps.newsletter.models import ScoreChange
from apps.queues import horizon
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # What was done after one id, up to another: the people, and the last id looked at.
    Reader = Callable[[int, int], tuple[set[int], int]]

log = structlog.get_logger(__name__)

PAGE = 2_000
TURN_SECONDS = 20.0


def _read_interactions(after: int, until: int) -> tuple[set[int], int]:
    return _read(
        "SELECT id, contact_id FROM newsletter_interaction"
        " WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",
        after,
        until,
    )


def _read_consents(after: int, until: int) -> tuple[set[int], int]:
    return _read(
        "SELECT id, contact_id FROM contacts_consentrecord"
        " WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",
        after,
        until,
    )


def _read(statement: str, after: int, until: int) -> tuple[set[int], int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [after, until, PAGE])
        rows = cursor.fetchall()
    reached = rows[-1][0] if len(rows) == PAGE else until
    return {contact for _, contact in rows if contact is not None}, reached


@dataclass(frozen=True)
class Source:
    """A table that only ever grows; `limit` holds reading back from rows not worked off yet."""

    table: str
    cause: ScoreChange.Cause
    read: Reader
    limit: Callable[[int], int] = lambda until: until


SOURCES = (
    Source("contacts_consentrecord", ScoreChange.Cause.JOINED, _read_consents),
    Source("mail_deliveryevent", ScoreChange.Cause.EVENT, people.read_people, people.applied_until),
    Source("newsletter_interaction", ScoreChange.Cause.EVENT, _read_interactions),
)

_ENSURE = """
INSERT INTO newsletter_engagementcursor (source, position) SELECT unnest(%s::text[]), 0
ON CONFLICT DO NOTHING
"""
_LOCK = """
SELECT position FROM newsletter_engagementcursor WHERE source = %s FOR UPDATE SKIP LOCKED
"""
_MOVE = """
UPDATE newsletter_engagementcursor SET position = %s, moved_at = statement_timestamp()
 WHERE source = %s
"""


def rescore_touched(*, turn_seconds: float = TURN_SECONDS) -> Rescored:
    """Reads all sources to their present ends, or until the turn is over."""
    started = time.perf_counter()
    ends_at = time.monotonic() + turn_seconds
    _ensure_cursors()
    total = Rescored()
    for source in SOURCES:
        total = total.with_(_read_source(source, ends_at))
    log.info(
        "run_ended",
        name="newsletter.rescore_touched",
        arguments={},
        row_count=total.contacts,
        changed=total.changed,
        moved=total.moved,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return total


def _ensure_cursors() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ENSURE, [[source.table for source in SOURCES]])


def _read_source(source: Source, ends_at: float) -> Rescored:
    total = Rescored()
    settled = horizon.settled_until(source.table)
    if settled is None:
        log.debug("engagement_source_has_a_long_writer", source=source.table)
        return total
    until = source.limit(settled)
    while time.monotonic() < ends_at and (page := _read_page(source, until)) is not None:
        total = total.with_(page)
    return total


def _read_page(source: Source, until: int) -> Rescored | None:
    """None where there is no page, or somebody else is at this source."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [source.table])
        row = cursor.fetchone()
        if row is None or row[0] >= until:
            return None
        contact_ids, reached = source.read(row[0], until)
        rescored = rescore(contact_ids, cause=source.cause)
        cursor.execute(_MOVE, [reached, source.table])
    return rescored


_BEHIND = """
SELECT source.name, coalesce(known.position, 0)
  FROM unnest(%s::text[]) AS source (name)
  LEFT JOIN newsletter_engagementcursor known ON known.source = source.name
 WHERE coalesce(known.position, 0) < coalesce(pg_sequence_last_value(
           pg_get_serial_sequence(source.name, 'id')::regclass), 0)
"""


def due_touched() -> Iterable[Due]:
    """For the sweeper: no table is looked at, only how far its ids have come."""
    limits = {source.table: source.limit for source in SOURCES}
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, [list(limits)])
        behind = cursor.fetchall()
    reachable = (limits[name](horizon.last_drawn(name)) > position for name, position in behind)
    return [Due(TaskName.RESCORE_TOUCHED, 1, {})] if any(reachable) else []
