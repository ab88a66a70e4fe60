"""Whose work a dead letter is, so that only those who may drive it again can."""

from __future__ import annotations

from apps.mail.models import Batch
from apps.mail.outcomes import DEAD_LETTER_SUBJECT as BATCH_SUBJECT
from apps.queues.dead_letters import register_brand_of


def brand_of_batch(batch_id: int) -> int | None:
    """Of its mailing; none where single mails of several mailings share the batch."""
    mailing = Batch.objects.filter(pk=batch_id)
    brand: int | None = mailing.values_list("mailing__brand_id", flat=True).first()
    return brand


def register_owners() -> None:
    """From `StationConfig.ready`. What is not named here belongs to the whole installation."""
    register_brand_of(BATCH_SUBJECT, brand_of_batch)
