"""An import from beginning to end, or on from where it stopped.

Each chunk of rows and the mark of how far the file was read are committed together, so whatever
ends the process, the same command goes on there. The merge is one transaction, after the last row.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from apps.contacts import digests
from apps.contacts.errors import ImportBusyError, ImportChangedError
from apps.contacts.importing import merging, rejects, staging
from apps.contacts.importing.merging import MergeCounts, MergeOrder
from apps.contacts.importing.reading import (
    PREVIEW_TABLE,
    ImportSink,
    Phase,
    PreviewSink,
    Progress,
    has_its_rows,
    progress_of,
    read_into,
)
from apps.contacts.models import FileImport
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from apps.contacts.importing.planning import ImportPlan

log = structlog.get_logger(__name__)

# First halves of pairs that name locks of the database: one import, and one brand's merges.
_IMPORT_LOCK = 0x494D50
_BRAND_LOCK = 0x494D42
# From so many new rows on the planner's figures would mislead whoever selects contacts next.
ANALYSE_FROM_ROWS = 10_000


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


def resumes_at(file_import: FileImport) -> int | None:
    """The line an unfinished import goes on at; None where it has to begin anew."""
    return file_import.next_line if has_its_rows(file_import) else None


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
            sink = ImportSink(plan, file_import)
            read_into(sink, plan, on_progress)
            on_progress(progress_of(plan, Phase.MERGING, sink.rows_read))
            plan.refuse_change()
            _merge(plan, file_import, now)
        file_import.refresh_from_db()
        on_progress(progress_of(plan, Phase.WRITING, file_import.rows_read))
        return _finish(plan, file_import, rejects_path)


def preview_import(
    *,
    plan: ImportPlan,
    rejects_path: Path,
    now: datetime,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ImportSummary:
    """Everything but the merge: what it would do, and the rows it would reject."""
    sink = PreviewSink(plan)
    staging.drop(PREVIEW_TABLE)
    staging.create(PREVIEW_TABLE, temporary=True)
    try:
        read_into(sink, plan, on_progress)
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


def _merge(plan: ImportPlan, file_import: FileImport, now: datetime) -> None:
    table = file_import.rows_table
    with transaction.atomic():
        digests.hold_off_erasing()
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
        except (OperationalError, InterfaceError):
            log.info("import_lock_went_with_the_connection", import_id=file_import.pk)
