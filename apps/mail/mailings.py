"""A mailing's life: created running, paused, resumed, cancelled, completed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from apps.contacts.models import Contact
from apps.mail.errors import StateError
from apps.mail.models import Content, Mailing
from apps.queues import partitions
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import Queue, TaskName
from apps.queues.registry import QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps.brands.models import Sender
    from apps.contacts.eligibility import MailClass

log = structlog.get_logger(__name__)

MESSAGE_TABLE = "mail_message"
# Batches that one statement of a cancellation settles: some 20,000 messages.
CANCEL_PAGE = 200


def create_bulk_mailing(  # noqa: PLR0913 - what a mailing is made of, all by keyword
    *,
    name: str,
    sender: Sender,
    mail_class: MailClass,
    subject: str,
    html: str,
    text: str,
    topic_groups: Sequence[Sequence[int]] = (),
    variables: Mapping[str, Any] | None = None,
) -> Mailing:
    """Makes a running mailing whose audience is still to be planned.

    The audience is everybody who is a contact of the brand now: who joins later is not in it. Who
    leaves the last topic of one of `topic_groups` before the mail is sealed gets nothing.
    `variables` is what every recipient's mail sees as `variables.x`.
    """
    month = _this_month()
    partitions.ensure_partitions(MESSAGE_TABLE, around=month)
    last = Contact.objects.filter(brand_id=sender.brand_id).aggregate(last=Max("pk"))["last"]
    return Mailing.objects.create(
        kind=Mailing.Kind.BULK,
        name=name,
        brand_id=sender.brand_id,
        sender=sender,
        account_id=sender.account_id,
        content=Content.objects.create(
            subject=subject, html=html, text=text, variables=dict(variables or {})
        ),
        mail_class=mail_class,
        month=month,
        audience_until=last or 0,
        topic_groups=[list(group) for group in topic_groups],
        correlation_id=correlation_id(),
    )


def pause(*, mailing_id: int, reason: str) -> None:
    """No batch is claimed from now on; calls under way are settled. Raises `StateError`."""
    _change(mailing_id, {Mailing.State.RUNNING}, Mailing.State.PAUSED, reason)


def resume(*, mailing_id: int) -> None:
    """Goes on where it stopped. Raises `StateError` where it is not paused."""
    with transaction.atomic():
        mailing = _change(mailing_id, {Mailing.State.PAUSED}, Mailing.State.RUNNING, "")
        if mailing.kind == Mailing.Kind.STREAM:
            enqueue(TaskName.SEND_SINGLES, account_id=mailing.account_id)
        else:
            wake_senders(account_id=mailing.account_id)


def cancel(*, mailing_id: int, reason: str) -> None:
    """Ends the mailing for good: nobody who was not called yet is mailed.

    The pending messages become `skipped: cancelled` page by page (`settle_cancelled`). Raises
    `StateError`, also for a stream of single mails: pause that.
    """
    if Mailing.objects.filter(pk=mailing_id, kind=Mailing.Kind.STREAM).exists():
        raise StateError("A stream of single mails cannot be cancelled; pause it.")
    with transaction.atomic():
        _change(
            mailing_id,
            {Mailing.State.RUNNING, Mailing.State.PAUSED},
            Mailing.State.CANCELLED,
            reason,
        )
        enqueue(TaskName.CLOSE_MAILINGS)


def wake_senders(*, account_id: int) -> None:
    enqueue(
        TaskName.SEND_BATCHES,
        copies=QUEUES[Queue.BATCH_EMAIL].concurrency,
        account_id=account_id,
    )


def _change(
    mailing_id: int, allowed: set[Mailing.State], state: Mailing.State, reason: str
) -> Mailing:
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
        if mailing.state not in allowed:
            raise StateError(
                f"The mailing is {mailing.state}; only one that is "
                f"{' or '.join(sorted(allowed))} can become {state}."
            )
        Mailing.objects.filter(pk=mailing_id).update(
            state=state, state_reason=reason[:200], state_changed_at=Now()
        )
    log.info("mailing_changed", mailing=mailing_id, state=state, reason=reason)
    return mailing


def pause_for_provider(
    *, mailing_ids: Sequence[int], reason: str, refused_call_ms: float = 0.0
) -> None:
    """Pauses those of the mailings that run; whoever else did so meanwhile was quicker.

    `refused_call_ms` is how long the refused call took: one that began before somebody resumed
    the mailing says nothing about now.
    """
    before_the_call = Now() - timedelta(milliseconds=refused_call_ms)
    paused = (
        Mailing.objects.running()
        .filter(pk__in=mailing_ids, state_changed_at__lt=before_the_call)
        .update(state=Mailing.State.PAUSED, state_reason=reason[:200], state_changed_at=Now())
    )
    if paused:
        log.error("mailing_paused", mailings=list(mailing_ids), reason=reason)


_CLOSE = """
UPDATE mail_mailing mailing
   SET state = 'completed', completed_at = statement_timestamp(),
       state_changed_at = statement_timestamp()
 WHERE state = 'running' AND kind = 'bulk' AND audience_completed_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM mail_batch batch
                    WHERE batch.mailing_id = mailing.id AND batch.state IN ('planned', 'calling'))
RETURNING id
"""


def close_finished() -> list[int]:
    """Completes the running mailings in which nothing is left to do; returns their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE)
        closed = [row[0] for row in cursor.fetchall()]
    for mailing_id in closed:
        log.info("mailing_completed", mailing=mailing_id)
    return closed


_SETTLE_CANCELLED = f"""
WITH batches AS (
    SELECT batch.id, batch.month
      FROM mail_mailing mailing
      JOIN mail_batch batch ON batch.mailing_id = mailing.id AND batch.state = 'planned'
     WHERE mailing.state = 'cancelled' AND mailing.kind = 'bulk'
     ORDER BY batch.id LIMIT {CANCEL_PAGE}
       FOR UPDATE OF batch SKIP LOCKED
), messages AS (
    UPDATE mail_message message
       SET state = 'skipped', reason = 'cancelled', settled_at = statement_timestamp()
      FROM batches
     WHERE message.month = batches.month AND message.batch_id = batches.id
       AND message.state = 'pending'
)
UPDATE mail_batch batch
   SET state = 'cancelled', skipped = batch.size - batch.sent - batch.failed - batch.unknown,
       settled_at = statement_timestamp(), fence = batch.fence + 1
  FROM batches WHERE batch.id = batches.id
"""


def settle_cancelled() -> int:
    """Gives every pending message of cancelled mailings its end; returns the number of batches."""
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SETTLE_CANCELLED)
            settled = int(cursor.rowcount)
        total += settled
        if settled < CANCEL_PAGE:
            return total


def _this_month() -> date:
    return datetime.now(tz=UTC).date().replace(day=1)
