"""Syncs that no worker is at, for the sweeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

ENOUGH = 20

_DUE = f"""
SELECT id, extract(epoch FROM statement_timestamp() - run_after) FROM sms_listsyncrun
WHERE state IN ('waiting', 'running') AND run_after <= statement_timestamp()
    AND (state = 'waiting' OR lease_until < statement_timestamp())
ORDER BY run_after LIMIT {ENOUGH}
"""


def due_runs() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.SYNC_LIST, 1, {"run_id": run_id}, oldest_seconds=float(seconds))
            for run_id, seconds in cursor.fetchall()
        ]
