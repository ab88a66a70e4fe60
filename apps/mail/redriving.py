"""Driving dead letters of this room again. Both run in the transaction that closes the letter."""

from __future__ import annotations

from django.db import connection

from apps.mail import regrouping
from apps.mail.errors import MailError, StateError
from apps.mail.models import Batch
from apps.queues.enqueueing import enqueue
from apps.queues.errors import QueueError
from apps.queues.models import DeadLetter
from apps.queues.names import TaskName

EVENT_SUBJECT = "mail.event"


class NotRedrivableError(QueueError, MailError):
    """The work must not be done again as it is; the message says what to do first."""


def redrive_batch(batch_id: int) -> None:
    """Sends the failed mails of a batch again, in new batches.

    Raises `NotRedrivableError` while some are in doubt, because those are never sent again
    blindly, and where the mailing is cancelled.
    """
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise NotRedrivableError(
            f"Batch {batch_id} is gone, its retention has passed. Discard the letter."
        )
    if batch.unknown:
        raise NotRedrivableError(
            f"Of batch {batch_id} {batch.unknown} mails may have been sent, and sending them "
            f"again could double them. Look them up at the provider, then run `manage.py unknown "
            f"resolve {batch_id}`."
        )
    if batch.failed:
        try:
            regrouping.retry_batch(batch_id=batch_id)
        except StateError as error:
            raise NotRedrivableError(f"Batch {batch_id}: {error} Discard the letter.") from None


def redrive_event(event_id: int) -> None:
    """Makes a delivery event that could not be applied wait again."""
    letter = DeadLetter.objects.filter(subject=EVENT_SUBJECT, subject_id=event_id).latest("pk")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_deliveryevent SET applied_at = NULL, outcome = ''"
            " WHERE month = %s AND id = %s",
            [letter.payload["month"], event_id],
        )
        if not cursor.rowcount:
            raise NotRedrivableError(
                f"Delivery event {event_id} is gone, its retention has passed. Discard the letter."
            )
    enqueue(TaskName.APPLY_EVENTS)
