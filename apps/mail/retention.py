"""What is kept how long: sealed bodies for two days, batches as long as their messages."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import connection

log = structlog.get_logger(__name__)

# 500 bodies are some 50 MB: a short transaction, and vacuum keeps up.
DELETE_PAGE = 500

_BODIES = f"""
DELETE FROM mail_batchbody
 WHERE batch_id IN (
       SELECT body.batch_id FROM mail_batchbody body JOIN mail_batch batch ON batch.id = batch_id
        WHERE batch.settled_at < statement_timestamp() - make_interval(secs => %s)
        ORDER BY batch.id LIMIT {DELETE_PAGE})
"""

# Their messages went with the partition of that month (see `apps.queues.partitions`).
_BATCHES = f"""
WITH expired AS (
    SELECT id FROM mail_batch
     WHERE month < date_trunc('month', statement_timestamp()) - make_interval(months => %s)
     ORDER BY id LIMIT {DELETE_PAGE}
), history AS (
    DELETE FROM mail_batchattempt USING expired WHERE batch_id = expired.id
)
DELETE FROM mail_batch USING expired WHERE mail_batch.id = expired.id
"""


def delete_settled_bodies() -> int:
    """Deletes the bodies of batches settled more than FLUX_BODY_RETENTION_HOURS ago; how many.

    They hold addresses and tokens, and nothing asks for them any more.
    """
    return _delete_in_pages("bodies", _BODIES, settings.BODY_RETENTION_HOURS * 3600)


def delete_expired_batches() -> int:
    """Deletes batches, with their attempts, whose messages' partition has gone; how many."""
    return _delete_in_pages("batches", _BATCHES, settings.MESSAGE_RETENTION_MONTHS)


def _delete_in_pages(what: str, statement: str, kept: float) -> int:
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [kept])
            deleted = int(cursor.rowcount)
        total += deleted
        if deleted < DELETE_PAGE:
            break
    if total:
        log.info("expired_rows_deleted", what=what, number=total)
    return total
