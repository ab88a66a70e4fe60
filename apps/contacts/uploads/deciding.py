"""The operator's steps: upload, preview, import, change, cancel.

Each is one conditional change of the row, so that of two people who press at once one succeeds
and the other is told.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.contacts.errors import UploadStateError
from apps.contacts.importing.columns import plan_columns
from apps.contacts.importing.planning import check_options
from apps.contacts.models import FileUpload
from apps.contacts.uploads import storing
from apps.contacts.uploads.looking import Look, look_at
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.contacts.importing.planning import ImportOptions

log = structlog.get_logger(__name__)

State = FileUpload.State
# From these the columns may still be changed.
OPEN = (State.MAPPING, State.PREVIEWED, State.FAILED)


def receive(*, brand_id: int, file_name: str, chunks: Iterable[bytes], actor: str) -> FileUpload:
    """Keeps the file and looks at it. Raises FileRefusedError, and then nothing is kept."""
    folder, name = uuid.uuid4(), storing.safe_name(file_name)
    size = storing.save(folder, name, chunks)
    upload = FileUpload(
        brand_id=brand_id, file_name=name, folder=folder, file_bytes=size, uploaded_by=actor
    )
    try:
        upload.look = look_at(storing.source_path(upload)).as_json()
        upload.save()
    except BaseException:
        storing.delete_all(upload)
        raise
    log.info("file_uploaded", upload=upload.pk, brand=brand_id, bytes=size)
    return upload


def look_again(*, upload_id: int, encoding: str | None, delimiter: str | None) -> Look:
    """The file under another encoding or delimiter. Raises FileRefusedError, UploadStateError."""
    upload = FileUpload.objects.get(pk=upload_id)
    look = look_at(storing.source_path(upload), encoding=encoding, delimiter=delimiter)
    _move(upload_id, OPEN, State.MAPPING, look=look.as_json(), options={}, preview=None, problem="")
    return look


def start_preview(*, upload_id: int, options: ImportOptions) -> None:
    """Checks what can be checked at once and leaves the rest to a worker.

    Raises FileRefusedError, UploadStateError.
    """
    check_options(options)
    look = Look.from_json(FileUpload.objects.get(pk=upload_id).look)
    plan_columns(look.header, chosen=options.columns, skipped=options.skipped)
    _move(
        upload_id,
        OPEN,
        State.PREVIEWING,
        options=options.as_json(),
        preview=None,
        problem="",
        file_import=None,
    )
    log.info("preview_asked", upload=upload_id)


def start_import(*, upload_id: int) -> None:
    """Imports what was previewed. Raises UploadStateError where there is no preview."""
    _move(upload_id, (State.PREVIEWED,), State.IMPORTING)
    log.info("import_asked", upload=upload_id)


def cancel(*, upload_id: int) -> bool:
    """Ends it, or asks the worker to: whether it has ended already.

    What is being merged is merged. Raises UploadStateError where it is over.
    """
    with transaction.atomic():
        upload = FileUpload.objects.select_for_update(no_key=True).get(pk=upload_id)
        if upload.state in FileUpload.OVER:
            raise UploadStateError("It is over already: there is nothing to cancel.")
        if upload.is_under_way:
            FileUpload.objects.filter(pk=upload_id, cancel_asked_at=None).update(
                cancel_asked_at=Now(), run_after=Now()
            )
            enqueue(TaskName.ADVANCE_UPLOAD, upload_id=upload_id)
            return False
        end(upload_id, (State(upload.state),), State.CANCELLED)
    storing.delete_all(upload)
    log.info("upload_cancelled", upload=upload_id)
    return True


def end(upload_id: int, before: Iterable[FileUpload.State], after: FileUpload.State) -> None:
    """The row's last change. The first rows of the file are forgotten with it."""
    _move(upload_id, before, after, look={}, ended_at=Now())


def _move(
    upload_id: int,
    before: Iterable[FileUpload.State],
    after: FileUpload.State,
    **changes: object,
) -> None:
    with transaction.atomic():
        moved = FileUpload.objects.filter(pk=upload_id, state__in=list(before)).update(
            state=after,
            changed_at=Now(),
            run_after=Now(),
            attempts=0,
            phase="",
            bytes_done=0,
            rows_done=0,
            cancel_asked_at=None,
            **changes,
        )
        if not moved:
            raise UploadStateError("Meanwhile this went on: look at where it is now.")
        if after in FileUpload.UNDER_WAY:
            enqueue(TaskName.ADVANCE_UPLOAD, upload_id=upload_id)
