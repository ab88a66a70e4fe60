"""Sealed bodies hold addresses and tokens: they go when their batch has been settled for long."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import connection

log = structlog.get_logger(__name__)

# 500 bodies are some 50 MB: a short transaction, and vacuum keeps up.
DELETE_PAGE = 500

_DELETE = f"""
DELETE FROM mail_batchbody
 WHERE batch_id IN (
       SELECT body.batch_id FROM mail_batchbody body JOIN mail_batch batch ON batch.id = batch_id
        WHERE batch.settled_at < now() - make_interval(secs => %s)
        ORDER BY batch.id LIMIT {DELETE_PAGE})
"""


def delete_settled_bodies() -> int:
    """Deletes the bodies of batches settled more than FLUX_BODY_RETENTION_HOURS ago; how many."""
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_DELETE, [settings.BODY_RETENTION_HOURS * 3600])
            deleted = int(cursor.rowcount)
        total += deleted
        if deleted < DELETE_PAGE:
            break
    if total:
        log.info("bodies_deleted", number=total)
    return total
