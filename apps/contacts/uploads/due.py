"""Uploads that no worker is at, for the sweeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.contacts.uploads.advancing import LOCK
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

ENOUGH = 20

# The locks are looked at only where an upload is under way.
_DUE = f"""
SELECT upload.id FROM contacts_fileupload upload
WHERE upload.state IN ('previewing', 'importing') AND upload.run_after <= statement_timestamp()
    AND NOT EXISTS (
        SELECT FROM pg_locks held
        WHERE held.locktype = 'advisory' AND held.granted
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND held.classid = {LOCK} AND held.objid = upload.id AND held.objsubid = 2
    )
ORDER BY upload.run_after LIMIT {ENOUGH}
"""


def due_uploads() -> Iterable[Due]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.ADVANCE_UPLOAD, 1, {"upload_id": upload_id})
            for (upload_id,) in cursor.fetchall()
        ]
