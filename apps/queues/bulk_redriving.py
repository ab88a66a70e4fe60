"""Driving all open letters of a kind again: asked for at once, carried out page by page.

The wish is a row, so that nobody waits for it in a browser, and no crash loses the rest of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from apps.queues import dead_letters
from apps.queues.enqueueing import enqueue
from apps.queues.errors import DeadLetterClosedError, NoOpenLettersError, QueueError
from apps.queues.models import BulkRedrive, DeadLetter
from apps.queues.names import TaskName
from apps.queues.scrubbing import scrub
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from apps.queues.models import DeadLetterQuerySet

log = structlog.get_logger(__name__)

PAGE = 50
TURN_SECONDS = 20.0
REFUSAL_LIMIT = 300
DUE_AT_MOST = 10
_DATABASE_AWAY = (OperationalError, InterfaceError)


def ask(
    *,
    by: str,
    queue: str = "",
    task: str = "",
    reason: str = "",
    brand_ids: Collection[int] | None = None,
) -> BulkRedrive:
    """Has all letters that are open now and fit driven again in the background.

    Empty texts mean any. `brand_ids` limits it to the letters of these brands; None is for whoever
    may drive those of all brands and of the installation. Raises `NoOpenLettersError`.
    """
    wanted = BulkRedrive(
        queue=queue,
        task=task,
        reason=reason,
        brand_ids=None if brand_ids is None else sorted(brand_ids),
        asked_by=by,
    )
    newest = letters_of(wanted).aggregate(newest=Max("pk"))["newest"]
    if newest is None:
        raise NoOpenLettersError("No open dead letter fits.")
    wanted.until_id = newest
    wanted.save(force_insert=True)
    log.info("bulk_redrive_asked", bulk=wanted.pk, queue=queue, task=task, reason=reason, by=by)
    enqueue(TaskName.REDRIVE_LETTERS, bulk_id=wanted.pk)
    return wanted


def letters_of(wanted: BulkRedrive) -> DeadLetterQuerySet:
    """The open letters that fit, whenever they came."""
    letters = DeadLetter.objects.open()
    if wanted.queue:
        letters = letters.filter(queue=wanted.queue)
    if wanted.task:
        letters = letters.filter(task=wanted.task)
    if wanted.reason:
        letters = letters.filter(reason=wanted.reason)
    if wanted.brand_ids is not None:
        letters = letters.filter(brand_id__in=wanted.brand_ids)
    return letters


def drive(*, bulk_id: int) -> None:
    """Works at the wish for `TURN_SECONDS`, then lets others have a turn."""
    ends_at = time.monotonic() + TURN_SECONDS
    while _drive_page(bulk_id):
        if time.monotonic() >= ends_at:
            enqueue(TaskName.REDRIVE_LETTERS, bulk_id=bulk_id)
            return


def due_bulks() -> Iterable[Due]:
    """For the sweeper: what is not finished, because its wake-up was lost or its worker died."""
    unfinished = BulkRedrive.objects.filter(finished_at=None).values_list("pk", flat=True)
    return [Due(TaskName.REDRIVE_LETTERS, 1, {"bulk_id": pk}) for pk in unfinished[:DUE_AT_MOST]]


def _drive_page(bulk_id: int) -> bool:
    """One page in one transaction; whether there may be more. Another worker has its own."""
    with transaction.atomic():
        rows = BulkRedrive.objects.select_for_update(skip_locked=True)
        bulk = rows.filter(pk=bulk_id, finished_at=None).first()
        if bulk is None:
            return False
        page = letters_of(bulk).filter(pk__gt=bulk.cursor_id, pk__lte=bulk.until_id)
        ids = list(page.order_by("pk").values_list("pk", flat=True)[:PAGE])
        for letter_id in ids:
            _drive_one(bulk, letter_id)
        if ids:
            bulk.cursor_id = ids[-1]
        else:
            bulk.finished_at = Now()
        bulk.save(update_fields=["cursor_id", "driven", "refused", "last_refusal", "finished_at"])
    if not ids:
        log.info("bulk_redrive_finished", bulk=bulk_id, driven=bulk.driven, refused=bulk.refused)
    return bool(ids)


def _drive_one(bulk: BulkRedrive, letter_id: int) -> None:
    try:
        dead_letters.redrive(letter_id=letter_id, by=bulk.asked_by)
    except DeadLetterClosedError:
        return
    except _DATABASE_AWAY:
        raise
    except Exception as error:
        # One letter that cannot be driven must not hold up the others: it stays open.
        told = str(error) if isinstance(error, QueueError) else type(error).__name__
        if not isinstance(error, QueueError):
            log.exception("redrive_raised", dead_letter=letter_id)
        bulk.refused += 1
        bulk.last_refusal = scrub(f"{letter_id}: {told}")[:REFUSAL_LIMIT]
    else:
        bulk.driven += 1
