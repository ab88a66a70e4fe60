"""Uploaded files are people's data: they go when nobody has come back to them for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db.models.functions import Now

from apps.contacts.models import FileUpload
from apps.contacts.uploads import deciding, storing

if TYPE_CHECKING:
    from datetime import datetime, timedelta

log = structlog.get_logger(__name__)

State = FileUpload.State
PRUNED_AT_ONCE = 1000


def prune_uploads(*, now: datetime, older_than: timedelta) -> int:
    """Deletes the files of uploads unchanged for so long; returns of how many.

    One that waits for a decision is cancelled with it; one under way is left alone.
    """
    stale = FileUpload.objects.filter(files_deleted_at=None, changed_at__lt=now - older_than)
    pruned = 0
    for upload in stale.exclude(state__in=FileUpload.UNDER_WAY).order_by("pk")[:PRUNED_AT_ONCE]:
        if upload.state not in FileUpload.OVER:
            deciding.end(upload.pk, (State(upload.state),), State.CANCELLED)
        storing.delete_all(upload)
        FileUpload.objects.filter(pk=upload.pk).update(files_deleted_at=Now())
        pruned += 1
    log.info("uploads_pruned", uploads=pruned)
    return pruned
