"""What driving a dead letter of this room again means."""

from __future__ import annotations

from apps.mail import regrouping
from apps.mail.models import Batch
from apps.queues.errors import QueueError


class UnresolvedError(QueueError):
    """The provider may have accepted the batch. Resolve it first (`manage.py unknown`)."""


def redrive_batch(batch_id: int) -> None:
    """Makes the failed messages of the batch due again. Raises `UnresolvedError`."""
    batch = Batch.objects.get(pk=batch_id)
    if batch.unknown:
        raise UnresolvedError(
            f"{batch.unknown} messages of batch {batch_id} may have been sent: say what became of"
            " them first (manage.py unknown resolve)."
        )
    regrouping.retry_batch(batch_id=batch_id)
