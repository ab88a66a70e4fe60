"""Reading a file into its staged rows, chunk by chunk, and telling how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.contacts.errors import ImportChangedError
from apps.contacts.importing import staging
from apps.contacts.importing.people import PersonReader
from apps.contacts.importing.staging import Chunk
from apps.contacts.models import FileImport

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.contacts.importing.planning import ImportPlan
    from apps.contacts.importing.records import Record

log = structlog.get_logger(__name__)

PREVIEW_TABLE = "contacts_import_preview"


class Phase(StrEnum):
    READING = "reading"
    MERGING = "merging"
    WRITING = "writing rejected rows"


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` counts those staged so far, rejected ones included."""

    phase: Phase
    bytes_done: int
    bytes_total: int
    rows: int


class Sink(Protocol):
    """Where chunks go, and from where on the file is to be read."""

    start: int
    line: int
    rows_read: int

    def save(self, chunk: Chunk, *, last: Record, short_rows: int) -> None: ...


class ImportSink:
    def __init__(self, plan: ImportPlan, file_import: FileImport) -> None:
        self._import = file_import
        if not has_its_rows(file_import):
            _start_over(plan, file_import)
        self.start = file_import.byte_offset
        self.line = file_import.next_line
        self.rows_read = file_import.rows_read

    def save(self, chunk: Chunk, *, last: Record, short_rows: int) -> None:
        with transaction.atomic():
            staging.copy(self._import.rows_table, chunk)
            moved = FileImport.objects.filter(
                pk=self._import.pk, state=FileImport.State.STAGING, byte_offset=self.start
            ).update(
                byte_offset=last.end,
                next_line=last.next_line,
                rows_read=F("rows_read") + len(chunk),
                short_rows=F("short_rows") + short_rows,
                moved_at=Now(),
            )
            if not moved:
                raise ImportChangedError("Another process moved this import on: start it again.")
        self.start, self.line = last.end, last.next_line
        self.rows_read += len(chunk)


class PreviewSink:
    def __init__(self, plan: ImportPlan) -> None:
        self.start = plan.start
        self.line = plan.line
        self.rows_read = 0
        self.short_rows = 0

    def save(self, chunk: Chunk, *, last: Record, short_rows: int) -> None:  # noqa: ARG002
        staging.copy(PREVIEW_TABLE, chunk)
        self.rows_read += len(chunk)
        self.short_rows += short_rows


def read_into(sink: Sink, plan: ImportPlan, on_progress: Callable[[Progress], None]) -> None:
    """Reads on from the sink's place to the end of the file."""
    reader = PersonReader(plan.columns, check_characters=not plan.inspection.is_clean)
    chunk, last, short_before = Chunk(), None, 0
    on_progress(progress_of(plan, Phase.READING, sink.rows_read, sink.start))
    for record in plan.records(start=sink.start, line=sink.line):
        outcome = reader.read(record)
        if outcome is None:
            continue
        chunk.add(record, outcome)
        last = record
        if chunk.is_full:
            sink.save(chunk, last=record, short_rows=reader.short_rows - short_before)
            short_before = reader.short_rows
            on_progress(progress_of(plan, Phase.READING, sink.rows_read, record.end))
            chunk, last = Chunk(), None
    if last is not None:
        sink.save(chunk, last=last, short_rows=reader.short_rows - short_before)
    on_progress(progress_of(plan, Phase.READING, sink.rows_read, plan.inspection.size_bytes))


def has_its_rows(file_import: FileImport) -> bool:
    """A crash of the database empties unlogged tables."""
    table = file_import.rows_table
    return staging.exists(table) and staging.count_rows(table) == file_import.rows_read


def _start_over(plan: ImportPlan, file_import: FileImport) -> None:
    """The staged rows are gone: the file is read from its beginning."""
    with transaction.atomic():
        staging.drop(file_import.rows_table)
        staging.create(file_import.rows_table)
        file_import.byte_offset, file_import.next_line = plan.start, plan.line
        file_import.rows_read = file_import.short_rows = 0
        file_import.save(update_fields=["byte_offset", "next_line", "rows_read", "short_rows"])
    log.warning("import_started_over", import_id=file_import.pk)


def progress_of(plan: ImportPlan, phase: Phase, rows: int, done: int | None = None) -> Progress:
    total = plan.inspection.size_bytes
    return Progress(phase, total if done is None else done, total, rows)
