"""Collecting: what the rooms below wrote becomes events and deliveries, page by page.

Each page is one transaction that records its events and moves its cursor, or deletes its notes:
killed anywhere, the next collector goes on where the last page ended, and nothing counts twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.queues import horizon
from apps.queues.names import TaskName
from apps.queues.sweeping import Due
from apps.station.outgoing.changes import PAGE, read_changes
from apps.station.outgoing.recording import wanted_types
from apps.station.outgoing.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.station.outgoing.sources import Source

log = structlog.get_logger(__name__)

# Far below the task's time limit; the sweeper wakes the next one while there is more.
TURN_SECONDS = 20.0

_ENSURE = """
INSERT INTO station_webhookcursor (source, position)
SELECT source, coalesce(pg_sequence_last_value(pg_get_serial_sequence(source, 'id')::regclass), 0)
  FROM unnest(%s::text[]) AS source
ON CONFLICT DO NOTHING
"""
_LOCK = "SELECT position FROM station_webhookcursor WHERE source = %s FOR UPDATE SKIP LOCKED"
_MOVE = """
UPDATE station_webhookcursor SET position = %s, moved_at = statement_timestamp() WHERE source = %s
"""


def ensure_cursors() -> None:
    """Lets reading begin here and now: what happened before the first endpoint is nobody's news."""
    with connection.cursor() as cursor:
        cursor.execute(_ENSURE, [[source.table for source in SOURCES]])


def collect(*, turn_seconds: float = TURN_SECONDS) -> int:
    """Reads all sources to their present ends, or until the turn is over; returns the pages."""
    ends_at = time.monotonic() + turn_seconds
    ensure_cursors()
    pages = _collect_changes(ends_at)
    for source in SOURCES:
        pages += _collect_source(source, ends_at)
    return pages


def _collect_changes(ends_at: float) -> int:
    pages = 0
    while time.monotonic() < ends_at:
        taken = read_changes()
        pages += taken > 0
        if taken < PAGE:
            break
    return pages


def _collect_source(source: Source, ends_at: float) -> int:
    until = horizon.settled_until(source.table)
    if until is None:
        log.debug("webhook_source_has_a_long_writer", source=source.table)
        return 0
    pages = 0
    while time.monotonic() < ends_at and _collect_page(source, until):
        pages += 1
    return pages


def _collect_page(source: Source, until: int) -> bool:
    """Whether there was a page; none where another collector is at this source."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [source.table])
        row = cursor.fetchone()
        if row is None or row[0] >= until:
            return False
        wanted = wanted_types()
        reached = source.read(row[0], until, wanted) if source.types & wanted else until
        cursor.execute(_MOVE, [reached, source.table])
    return True


_BEHIND = """
SELECT EXISTS (SELECT 1 FROM station_ledgerchange)
    OR EXISTS (SELECT 1 FROM station_webhookcursor
                WHERE position < coalesce(pg_sequence_last_value(
                          pg_get_serial_sequence(source, 'id')::regclass), 0))
"""


def due_collection() -> Iterable[Due]:
    """For the sweeper: no table is looked at, only how far their ids have come."""
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND)
        return [Due(TaskName.COLLECT_WEBHOOKS, 1, {})] if cursor.fetchone()[0] else []
