"""What is kept of callbacks, replies and counted events, and for how long."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import connection

log = structlog.get_logger(__name__)

PAGE = 10_000


def prune_tracking() -> int:
    """Deletes what has had its time, in pages that keep each transaction short."""
    days = settings.TEXT_CALLBACK_RETENTION_DAYS
    total = (
        _delete("sms_limecallback", "received_at", days, "AND state <> 'waiting'")
        + _delete("sms_textreply", "created_at", days, "AND settled_at IS NOT NULL")
        # Longer than their events: one that is told again later would be counted again.
        + _delete("sms_eventkey", "occurred_at", settings.TEXT_EVENT_RETENTION_MONTHS * 31 + 62)
    )
    log.info("tracking_pruned", rows=total)
    return total


def _delete(table: str, column: str, days: int, also: str = "") -> int:
    key = "key" if table == "sms_eventkey" else "id"
    statement = f"""
    DELETE FROM {table} WHERE {key} IN (
        SELECT {key} FROM {table}
        WHERE {column} < statement_timestamp() - make_interval(days => %s) {also} LIMIT {PAGE})
    """
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [days])
            deleted = int(cursor.rowcount)
        total += deleted
        if deleted < PAGE:
            return total
