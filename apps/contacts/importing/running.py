"""An import from beginning to end, or on from where it stopped.

Each chunk of rows and the mark of how far the file was read are committed together, so whatever
ends the process, the same command goes on there. The merge is one transaction, after the last row.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.contacts import digests
from apps.contacts.errors import ImportBusyError, ImportChangedError
from apps.contacts.importing import merging, rejects, staging
from apps.contacts.importing.merging import MergeCounts, MergeOrder
from apps.contacts.importing.people import PersonReader
from apps.contacts.importing.staging import Chunk
from apps.contacts.models import FileImport
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from apps.contacts.importing.planning import ImportPlan
    from apps.contacts.importing.records import Record

log = structlog.get_logger(__name__)

# First halves of pairs that name locks of the database: one import, and one brand's merges.
_IMPORT_LOCK = 0x494D50
_BRAND_LOCK = 0x494D42
PREVIEW_TABLE = "contacts_import_preview"
# From so many new rows on the planner's figures would mislead whoever selects contacts next.
ANALYSE_FROM_ROWS = 10_000


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


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """`rejected` counts rows by `people.Fault`. A preview has no `import_id`."""

    rows_read: int
    counts: MergeCounts
    rejected: dict[str, int] = field(default_factory=dict)
    short_rows: int = 0
    rejects_path: Path | None = None
    import_id: int | None = None


def find_unfinished(plan: ImportPlan) -> FileImport | None:
    """The import of this file under these options that stopped before its end, if there is one."""
    return FileImport.objects.unfinished().filter(**_identity(plan)).first()


def run_import(
    *,
    plan: ImportPlan,
    rejects_path: Path,
    now: datetime,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ImportSummary:
    """Imports the file, going on where an unfinished import of it stopped.

    Raises ImportBusyError while another process is at it, FileRefusedError if the file changes.
    """
    file_import = _begin(plan)
    with _alone(file_import):
        file_import.refresh_from_db()
        if file_import.state == FileImport.State.STAGING:
            sink = _ImportSink(plan, file_import)
            _stage(plan, sink, on_progress)
            on_progress(_progress(plan, Phase.MERGING, sink.rows_read))
            plan.refuse_change()
            _merge(plan, file_import, now)
        file_import.refresh_from_db()
        on_progress(_progress(plan, Phase.WRITING, file_import.rows_read))
        return _finish(plan, file_import, rejects_path)


def preview_import(
    *,
    plan: ImportPlan,
    rejects_path: Path,
    now: datetime,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ImportSummary:
    """Everything but the merge: what it would do, and the rows it would reject."""
    sink = _PreviewSink(plan)
    staging.drop(PREVIEW_TABLE)
    staging.create(PREVIEW_TABLE, temporary=True)
    try:
        _stage(plan, sink, on_progress)
        with transaction.atomic():
            staging.analyse(PREVIEW_TABLE)
            merging.prepare(PREVIEW_TABLE)
            counts = merging.preview(PREVIEW_TABLE, _order(plan, now, detail="preview"))
        return ImportSummary(
            rows_read=sink.rows_read,
            counts=counts,
            rejected=rejects.count_by_fault(PREVIEW_TABLE),
            short_rows=sink.short_rows,
            rejects_path=_write_rejects(plan, PREVIEW_TABLE, rejects_path),
        )
    finally:
        staging.drop(PREVIEW_TABLE)


def discard(file_import: FileImport) -> None:
    """Gives an unfinished import up. What it merged, if it came so far, stays."""
    with _alone(file_import), transaction.atomic():
        staging.drop(file_import.rows_table)
        FileImport.objects.unfinished().filter(pk=file_import.pk).update(
            state=FileImport.State.DISCARDED, finished_at=Now()
        )


def discard_stale(*, now: datetime, older_than: timedelta) -> int:
    """Gives up imports that nobody took up again for so long; returns how many."""
    discarded = 0
    for file_import in FileImport.objects.unfinished().filter(moved_at__lt=now - older_than):
        try:
            discard(file_import)
        except ImportBusyError:
            continue
        discarded += 1
    return discarded


class _Sink(Protocol):
    """Where chunks go, and from where on the file is to be read."""

    start: int
    line: int
    rows_read: int

    def save(self, chunk: Chunk, *, last: Record, short_rows: int) -> None: ...


class _ImportSink:
    def __init__(self, plan: ImportPlan, file_import: FileImport) -> None:
        self._import = file_import
        table = file_import.rows_table
        if not staging.exists(table) or staging.count_rows(table) != file_import.rows_read:
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


class _PreviewSink:
    def __init__(self, plan: ImportPlan) -> None:
        self.start = plan.start
        self.line = plan.line
        self.rows_read = 0
        self.short_rows = 0

    def save(self, chunk: Chunk, *, last: Record, short_rows: int) -> None:  # noqa: ARG002
        staging.copy(PREVIEW_TABLE, chunk)
        self.rows_read += len(chunk)
        self.short_rows += short_rows


def _stage(plan: ImportPlan, sink: _Sink, on_progress: Callable[[Progress], None]) -> None:
    reader = PersonReader(plan.columns, check_characters=not plan.inspection.is_clean)
    chunk, last, short_before = Chunk(), None, 0
    on_progress(_progress(plan, Phase.READING, sink.rows_read, sink.start))
    for record in plan.records(start=sink.start, line=sink.line):
        outcome = reader.read(record)
        if outcome is None:
            continue
        chunk.add(record, outcome)
        last = record
        if chunk.is_full:
            sink.save(chunk, last=record, short_rows=reader.short_rows - short_before)
            short_before = reader.short_rows
            on_progress(_progress(plan, Phase.READING, sink.rows_read, record.end))
            chunk, last = Chunk(), None
    if last is not None:
        sink.save(chunk, last=last, short_rows=reader.short_rows - short_before)
    on_progress(_progress(plan, Phase.READING, sink.rows_read, plan.inspection.size_bytes))


def _begin(plan: ImportPlan) -> FileImport:
    with transaction.atomic():
        file_import, created = FileImport.objects.unfinished().get_or_create(
            **_identity(plan),
            defaults={
                "file_name": plan.path.name[:255],
                "file_bytes": plan.inspection.size_bytes,
                "options": plan.options.as_json(),
                "state": FileImport.State.STAGING,
                "byte_offset": plan.start,
                "next_line": plan.line,
                "correlation_id": correlation_id(),
            },
        )
        if created:
            staging.create(file_import.rows_table)
    return file_import


def _start_over(plan: ImportPlan, file_import: FileImport) -> None:
    """The staged rows are gone, as after a crash of the database: read from the beginning."""
    with transaction.atomic():
        staging.drop(file_import.rows_table)
        staging.create(file_import.rows_table)
        file_import.byte_offset, file_import.next_line = plan.start, plan.line
        file_import.rows_read = file_import.short_rows = 0
        file_import.save(update_fields=["byte_offset", "next_line", "rows_read", "short_rows"])
    log.warning("import_started_over", import_id=file_import.pk)


def _merge(plan: ImportPlan, file_import: FileImport, now: datetime) -> None:
    table = file_import.rows_table
    with transaction.atomic():
        digests.lock_against_erasure()
        _lock_brand(plan.brand_id)
        staging.analyse(table)
        merging.prepare(table)
        counts = merging.merge(
            table, _order(plan, now, detail=f"import {file_import.pk}", file_import=file_import)
        )
        results = {**asdict(counts), "rejected": rejects.count_by_fault(table)}
        merged = FileImport.objects.filter(
            pk=file_import.pk, state=FileImport.State.STAGING
        ).update(state=FileImport.State.MERGED, results=results, moved_at=Now())
        if not merged:
            raise ImportChangedError("Another process merged this import: start it again.")
    if counts.created + counts.updated + counts.opted_in >= ANALYSE_FROM_ROWS:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE contacts_contact, contacts_topicsubscription")


def _finish(plan: ImportPlan, file_import: FileImport, rejects_path: Path) -> ImportSummary:
    results = dict(file_import.results)
    rejected = results.pop("rejected")
    table = file_import.rows_table
    written = None
    # A crash of the database in just this moment empties the table; the counts are kept.
    if staging.exists(table):
        written = _write_rejects(plan, table, rejects_path)
    with transaction.atomic():
        staging.drop(table)
        FileImport.objects.filter(pk=file_import.pk).update(
            state=FileImport.State.FINISHED, finished_at=Now()
        )
    log.info("import_finished", import_id=file_import.pk, rows=file_import.rows_read, **results)
    return ImportSummary(
        rows_read=file_import.rows_read,
        counts=MergeCounts(**results),
        rejected=rejected,
        short_rows=file_import.short_rows,
        rejects_path=written,
        import_id=file_import.pk,
    )


def _write_rejects(plan: ImportPlan, table: str, path: Path) -> Path | None:
    return path if rejects.write_rejects(plan=plan, table=table, path=path) else None


def _order(
    plan: ImportPlan, now: datetime, *, detail: str, file_import: FileImport | None = None
) -> MergeOrder:
    return MergeOrder(
        brand_id=plan.brand_id,
        status=plan.options.status,
        on_conflict=plan.options.on_conflict,
        consent=plan.options.consent,
        detail=detail,
        topic_ids=plan.topic_ids,
        correlation_id=file_import.correlation_id if file_import else "",
        now=now,
    )


def _identity(plan: ImportPlan) -> dict[str, object]:
    return {
        "brand_id": plan.brand_id,
        "file_digest": plan.inspection.digest,
        "options_digest": plan.options.digest(),
    }


def _progress(plan: ImportPlan, phase: Phase, rows: int, done: int | None = None) -> Progress:
    total = plan.inspection.size_bytes
    return Progress(phase, total if done is None else done, total, rows)


def _lock_brand(brand_id: int) -> None:
    """Two merges into one brand would wait for each other's rows, crosswise."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_BRAND_LOCK, brand_id])


@contextmanager
def _alone(file_import: FileImport) -> Iterator[None]:
    """No other process works on this import; the database lets go when this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_IMPORT_LOCK, file_import.pk])
        if not cursor.fetchone()[0]:
            raise ImportBusyError("Another process is importing this file: wait for it to end.")
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_IMPORT_LOCK, file_import.pk])
        except OperationalError:
            log.info("import_lock_went_with_the_connection", import_id=file_import.pk)
