from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apps.contacts import traces
from apps.contacts.importing import running
from apps.contacts.uploads import advancing, pruning
from apps.queues import schedules
from apps.queues.names import TaskName


@shared_task(name=TaskName.ADVANCE_UPLOAD)
def advance_upload(*, upload_id: int, **_: object) -> None:
    advancing.advance_upload(upload_id=upload_id)


@shared_task(name=TaskName.PRUNE_UPLOADS)
def prune_uploads(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        kept = timedelta(days=settings.IMPORT_RETENTION_DAYS)
        pruning.prune_uploads(now=timezone.now(), older_than=kept)
        running.discard_stale(now=timezone.now(), older_than=kept)


@shared_task(name=TaskName.ERASE_TRACES)
def erase_traces(*, schedule: str, **_: object) -> None:
    if schedules.claim_named_period(schedule):
        traces.erase_again(now=timezone.now())
