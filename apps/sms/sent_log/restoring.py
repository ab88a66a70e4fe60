"""Bringing an archived month back, as it was."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.queues.partitions import LOCK_TIMEOUT, existing_partitions, months_from
from apps.sms.sent_log import files
from apps.sms.sent_log.archiving import RESTORED
from apps.sms.sent_log.files import TABLE, ArchiveNote

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)


def restore(partition: str, *, on_bytes: Callable[[int], None] = lambda _: None) -> ArchiveNote:
    """Fills a table of its own, counts it, and only then makes it a part of the log.

    One transaction: interrupted, it leaves nothing behind. The month stays until somebody archives
    it by name. `on_bytes` hears how much of the CSV was read. Raises `ArchiveError`.
    """
    note = files.read_note(partition)
    if partition in existing_partitions(TABLE):
        raise files.ArchiveError(f"{files.month_of(partition)} is in the sent log already.")
    files.check(note)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {partition} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
            " INCLUDING GENERATED)"
        )
        columns, done = ", ".join(note.columns), 0
        statement = f"COPY {partition} ({columns}) FROM STDIN WITH (FORMAT csv, HEADER MATCH)"
        with cursor.copy(statement) as copying:
            for block in files.blocks(partition):
                copying.write(block)
                done += len(block)
                on_bytes(done)
        cursor.execute(f"SELECT count(*) FROM {partition}")
        rows = cursor.fetchone()[0]
        if rows != note.rows:
            raise files.ArchiveError(f"{rows} rows were restored; the note says {note.rows}.")
        cursor.execute(f"COMMENT ON TABLE {partition} IS '{RESTORED}'")
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        first, following = _bounds(partition)
        cursor.execute(
            f"ALTER TABLE {TABLE} ATTACH PARTITION {partition}"
            f" FOR VALUES FROM ('{first}') TO ('{following}')"
        )
    log.info("sent_log_restored", partition=partition, rows=note.rows)
    return note


def _bounds(partition: str) -> tuple[date, date]:
    year, month = files.month_of(partition).split("-")
    first, following = months_from(date(int(year), int(month), 1), count=2)
    return first, following
