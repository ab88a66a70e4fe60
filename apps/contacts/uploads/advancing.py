"""A worker's part of an upload: previewing it, importing it.

The row says what is to be done. A worker holds a lock of the database as long as it is at it; the
database takes the lock back when the worker's connection ends, however it ended, and the sweeper
wakes another one (see `due`). Reading goes on where the last committed chunk ended.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.contacts.errors import ContactsError, ImportBusyError, ImportChangedError
from apps.contacts.importing.planning import ImportOptions, plan_import
from apps.contacts.importing.reading import Phase
from apps.contacts.importing.running import (
    discard,
    find_unfinished,
    preview_import,
    run_import,
)
from apps.contacts.models import FileImport, FileUpload
from apps.contacts.uploads import deciding, storing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.contacts.importing.planning import ImportPlan
    from apps.contacts.importing.reading import Progress
    from apps.contacts.importing.running import ImportSummary

log = structlog.get_logger(__name__)

LOCK = 0x55504C  # the first half of the pair that names an upload's lock
# A file at which workers die this often without coming further would kill them for ever.
ATTEMPTS = 5
RETRY_AFTER = timedelta(seconds=5)
SAVED_EVERY_SECONDS = 0.5

State = FileUpload.State


class _CancelledError(Exception):
    """Inside this module: the operator has cancelled."""


def advance_upload(*, upload_id: int) -> bool:
    """Does what the row asks for; whether it did anything. Nothing where another worker is at it.

    What makes the file unfit ends in the state `failed`, with the reason in the row.
    """
    with _alone(upload_id) as is_mine:
        upload = _claim(upload_id) if is_mine else None
        if upload is None:
            return False
        try:
            _advance(upload)
        except _CancelledError:
            _drop(upload)
        except (ImportBusyError, ImportChangedError):
            # The same file is being imported from elsewhere: that costs no attempt.
            FileUpload.objects.filter(pk=upload_id).update(attempts=F("attempts") - 1)
        except ContactsError as error:
            _fail(upload, str(error))
    return True


def _claim(upload_id: int) -> FileUpload | None:
    """The upload, if there is something to do; one attempt is counted before anything happens."""
    claimed = FileUpload.objects.under_way().filter(pk=upload_id, run_after__lte=Now())
    if not claimed.update(attempts=F("attempts") + 1, run_after=Now() + RETRY_AFTER):
        return None
    upload = FileUpload.objects.get(pk=upload_id)
    if upload.attempts > ATTEMPTS:
        log.error("upload_given_up", upload=upload_id)
        _fail(
            upload,
            f"Tried {ATTEMPTS} times, and each time the worker stopped before the end. The log "
            f"tells why; look for upload {upload_id}.",
        )
        return None
    return upload


def _advance(upload: FileUpload) -> None:
    if upload.cancel_asked_at:
        raise _CancelledError
    done = upload.file_import
    if done is not None and done.state == FileImport.State.FINISHED:
        # The worker before died between the import's end and telling so.
        _finish(upload, done)
        return
    plan = plan_import(
        path=storing.source_path(upload),
        brand_id=upload.brand_id,
        options=ImportOptions.from_json(upload.options),
    )
    if upload.state == State.PREVIEWING:
        _preview(upload, plan)
    else:
        _import(upload, plan)


def _preview(upload: FileUpload, plan: ImportPlan) -> None:
    summary = preview_import(
        plan=plan,
        rejects_path=storing.rejects_path(upload, is_preview=True),
        now=timezone.now(),
        on_progress=_Saver(upload),
    )
    moved = FileUpload.objects.filter(
        pk=upload.pk, state=State.PREVIEWING, cancel_asked_at=None
    ).update(
        state=State.PREVIEWED,
        preview={**_figures(summary), "notes": plan.notes()},
        changed_at=Now(),
    )
    if not moved:
        raise _CancelledError
    log.info("upload_previewed", upload=upload.pk, rows=summary.rows_read)


def _import(upload: FileUpload, plan: ImportPlan) -> None:
    saver = _Saver(upload, plan)
    run_import(
        plan=plan,
        rejects_path=storing.rejects_path(upload, is_preview=False),
        now=timezone.now(),
        on_progress=saver,
    )
    upload.refresh_from_db()
    if upload.file_import is not None:
        _finish(upload, upload.file_import)


def _finish(upload: FileUpload, done: FileImport) -> None:
    results = {"rows_read": done.rows_read, "short_rows": done.short_rows, **done.results}
    FileUpload.objects.filter(pk=upload.pk).update(results=results)
    deciding.end(upload.pk, (State.IMPORTING,), State.FINISHED)
    storing.delete_source(upload)
    log.info("upload_imported", upload=upload.pk, import_id=done.pk)


def _figures(summary: ImportSummary) -> dict[str, Any]:
    return {
        "rows_read": summary.rows_read,
        "short_rows": summary.short_rows,
        **asdict(summary.counts),
        "rejected": summary.rejected,
    }


class _Saver:
    """Writes how far it is into the row, and reads there whether to go on."""

    def __init__(self, upload: FileUpload, plan: ImportPlan | None = None) -> None:
        self._upload = upload
        self._plan = plan
        self._saved_at = 0.0
        self._phase: Phase | None = None

    def __call__(self, progress: Progress) -> None:
        if self._plan is not None and self._phase is None:
            self._remember_import(self._plan)
        now = time.monotonic()
        if progress.phase is self._phase and now - self._saved_at < SAVED_EVERY_SECONDS:
            return
        self._phase, self._saved_at = progress.phase, now
        self._save(progress)

    def _save(self, progress: Progress) -> None:
        going_on = FileUpload.objects.filter(pk=self._upload.pk)
        # Nothing is undone once it is merged.
        if progress.phase is not Phase.WRITING:
            going_on = going_on.filter(cancel_asked_at=None)
        # Coming further is what an attempt is for.
        moved = progress.bytes_done > self._upload.bytes_done
        if not going_on.update(
            phase=progress.phase,
            bytes_done=progress.bytes_done,
            rows_done=progress.rows,
            changed_at=Now(),
            attempts=1 if moved else F("attempts"),
        ):
            raise _CancelledError
        self._upload.bytes_done = progress.bytes_done

    def _remember_import(self, plan: ImportPlan) -> None:
        """By it the next worker knows that this import, and no later one, gave the result."""
        FileUpload.objects.filter(pk=self._upload.pk).update(file_import=find_unfinished(plan))


def _drop(upload: FileUpload) -> None:
    """Cancelled before anything was merged: the staged rows and the file go."""
    upload.refresh_from_db()
    unfinished = upload.file_import
    if unfinished is not None and unfinished.state == FileImport.State.STAGING:
        # Where the same file is being imported from elsewhere, that goes on.
        with suppress(ImportBusyError):
            discard(unfinished)
    deciding.end(upload.pk, FileUpload.UNDER_WAY, State.CANCELLED)
    storing.delete_all(upload)
    log.info("upload_cancelled", upload=upload.pk)


def _fail(upload: FileUpload, problem: str) -> None:
    """It may be mapped anew: the file is kept."""
    FileUpload.objects.under_way().filter(pk=upload.pk).update(
        state=State.FAILED, problem=problem, changed_at=Now(), cancel_asked_at=None
    )
    log.info("upload_failed", upload=upload.pk)


@contextmanager
def _alone(upload_id: int) -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, upload_id])
        got_it = bool(cursor.fetchone()[0])
    try:
        yield got_it
    finally:
        if got_it:
            _let_go(upload_id)


def _let_go(upload_id: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, upload_id])
    except (OperationalError, InterfaceError):
        log.info("upload_lock_went_with_the_connection", upload=upload_id)
