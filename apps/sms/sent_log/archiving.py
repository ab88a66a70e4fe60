"""Letting go of old months: written to files, read again and compared, and only then dropped.

A month is one transaction, which keeps writers off it: killed at any moment it leaves the month as
it was, and the next run begins it anew. What was archived and not dropped, or restored, is told by
the note beside the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection, transaction

from apps.queues.partitions import LOCK_TIMEOUT, existing_partitions
from apps.sms.models import ChoiceRun
from apps.sms.sent_log import files
from apps.sms.sent_log.files import TABLE, ArchiveNote, RowsFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.utils import CursorWrapper

log = structlog.get_logger(__name__)

RESTORED = "restored"
"""The comment of a partition that somebody brought back: the schedule leaves it alone."""
RUNS_KEPT_DAYS = 62

_PARTITIONS = """
SELECT child.relname, obj_description(child.oid, 'pg_class'), child.reltuples
  FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
 WHERE inhparent = %s::regclass ORDER BY 1
"""
# All but what the database makes by itself (`counts`).
_COLUMNS = """
SELECT attname FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
 ORDER BY attnum
"""


@dataclass(frozen=True)
class Month:
    """One partition. `rows` is the planner's estimate, -1 where nothing was ever counted."""

    partition: str
    is_restored: bool
    rows: int
    is_expired: bool


def months(*, today: date | None = None) -> list[Month]:
    """All partitions, oldest first; expired ones are older than FLUX_SENT_LOG_RETENTION_MONTHS."""
    oldest_kept = files.partition_of(_oldest_kept(today or datetime.now(tz=UTC).date()))
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [TABLE])
        return [
            Month(name, comment == RESTORED, int(rows), name < oldest_kept)
            for name, comment, rows in cursor.fetchall()
        ]


def _oldest_kept(today: date) -> date:
    index = today.year * 12 + today.month - 1 - settings.SENT_LOG_RETENTION_MONTHS
    return date(index // 12, index % 12 + 1, 1)


def archive_expired(*, today: date | None = None) -> list[ArchiveNote]:
    """The scheduled job: archives and drops every expired month that nobody restored."""
    ChoiceRun.objects.filter(minute__lt=_days_ago(RUNS_KEPT_DAYS)).delete()
    return [
        archive(month.partition)
        for month in months(today=today)
        if month.is_expired and not month.is_restored
    ]


def _days_ago(days: int) -> datetime:
    return datetime.fromtimestamp(datetime.now(tz=UTC).timestamp() - days * 86_400, tz=UTC)


def archive(partition: str, *, on_rows: Callable[[int], None] = lambda _: None) -> ArchiveNote:
    """Writes the partition's file, checks it and drops the partition; `on_rows` hears of progress.

    Raises `ArchiveError` where there is no such partition or the file is not what was written;
    then nothing is dropped.
    """
    if partition not in existing_partitions(TABLE):
        raise files.ArchiveError(f"There is no month {files.month_of(partition)} in the sent log.")
    files.folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {partition} IN SHARE MODE")
        note = _write(cursor, partition, on_rows)
        files.check(note)
        cursor.execute(f"SELECT count(*) FROM {partition}")
        rows = cursor.fetchone()[0]
        if rows != note.rows:
            raise files.ArchiveError(f"{partition} has {rows} rows, {note.rows} were archived.")
        files.write_note(note)
        # Dropping locks the whole log: what cannot have it at once waits for the next run.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f"DROP TABLE {partition}")
    log.info("sent_log_archived", partition=partition, rows=note.rows, bytes=note.bytes)
    return note


def _write(cursor: CursorWrapper, partition: str, on_rows: Callable[[int], None]) -> ArchiveNote:
    cursor.execute(_COLUMNS, [partition])
    columns = tuple(name for (name,) in cursor.fetchall())
    statement = (
        f"COPY (SELECT {', '.join(columns)} FROM {partition} ORDER BY local_day, id)"
        " TO STDOUT WITH (FORMAT csv, HEADER)"
    )
    file, rows = RowsFile(partition), -1  # the header is no row
    with cursor.copy(statement) as copying:
        for row in copying:
            file.write(bytes(row))
            rows += 1
            if rows % 10_000 == 0:
                on_rows(rows)
    digest, size = file.close()
    on_rows(rows)
    return ArchiveNote(partition, columns, rows, digest, size)
