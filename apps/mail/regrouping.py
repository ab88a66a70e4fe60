"""Moving messages into new batches: splitting a refused one, retrying the failed ones.

A message counts in exactly one batch; whoever leaves a batch is taken out of its counts, so that
sums over batches stay what the messages are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from apps.mail.errors import LeaseLostError, StateError
from apps.mail.models import BATCH_SIZE, Batch, Mailing, Message
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.mail.claiming import ClaimedBatch
    from apps.mail.outcomes import Attempt
    from apps.mail.sealing import Sealed

RETRY_PAGE = 10_000

_SPLIT = """
WITH parent AS (
    UPDATE mail_batch
       SET state = 'split', size = size - %(travelling)s, settled_at = statement_timestamp(),
           last_error = %(error)s
     WHERE id = %(batch)s AND fence = %(fence)s AND state IN ('planned', 'calling')
    RETURNING id, account_id, mailing_id, month, correlation_id
), history AS (
    INSERT INTO mail_batchattempt (batch_id, number, outcome, latency_ms, error)
    SELECT id, %(number)s, 'split', %(latency_ms)s, %(error)s FROM parent
), body AS (
    DELETE FROM mail_batchbody USING parent WHERE batch_id = parent.id
), members AS MATERIALIZED (
    SELECT id, half FROM unnest(%(ids)s::bigint[], %(halves)s::int[]) AS given (id, half)
), halves AS MATERIALIZED (
    SELECT half, count(*) AS size, nextval(pg_get_serial_sequence('mail_batch', 'id')) AS batch_id
      FROM members GROUP BY half
), children AS (
    INSERT INTO mail_batch (id, account_id, mailing_id, state, month, size, correlation_id)
    OVERRIDING SYSTEM VALUE
    SELECT halves.batch_id, parent.account_id, parent.mailing_id, 'planned', parent.month,
           halves.size, parent.correlation_id
      FROM parent, halves
), moved AS (
    UPDATE mail_message message SET batch_id = halves.batch_id
      FROM parent, members JOIN halves USING (half)
     WHERE message.month = parent.month AND message.id = members.id
)
SELECT count(*) FROM parent
"""


def split(batch: ClaimedBatch, sealed: Sealed, attempt: Attempt) -> None:
    """Replaces a batch that was surely not accepted by its two halves, under keys of their own.

    So one bad recipient fails alone after at most log2(100) rounds. Raises `LeaseLostError`.
    """
    middle = len(sealed.message_ids) // 2
    with connection.cursor() as cursor:
        cursor.execute(
            _SPLIT,
            {
                "batch": batch.id,
                "fence": batch.fence,
                "number": batch.attempts,
                "latency_ms": attempt.latency_ms and round(attempt.latency_ms),
                "error": attempt.error[:300],
                "travelling": len(sealed.message_ids),
                "ids": sealed.message_ids,
                "halves": [int(index >= middle) for index in range(len(sealed.message_ids))],
            },
        )
        if not cursor.fetchone()[0]:
            raise LeaseLostError(f"Batch {batch.id} is no longer ours.")


_DISSOLVE = """
WITH gone AS (
    UPDATE mail_batch
       SET state = 'split', size = size - waiting.number, settled_at = statement_timestamp(),
           key = '', key_made_at = NULL, digest = NULL, last_error = %(error)s
      FROM (SELECT count(*) AS number FROM mail_message
             WHERE month = %(month)s AND batch_id = %(batch)s AND state = 'pending') waiting
     WHERE id = %(batch)s AND fence = %(fence)s AND mailing_id IS NULL AND NOT ambiguous
       AND state IN ('planned', 'calling')
    RETURNING id
), body AS (
    DELETE FROM mail_batchbody USING gone WHERE batch_id = gone.id
)
UPDATE mail_message SET batch_id = NULL, due_at = statement_timestamp()
  FROM gone
 WHERE month = %(month)s AND batch_id = %(batch)s AND mail_message.state = 'pending'
"""


def dissolve(batch: ClaimedBatch, *, error: str) -> int:
    """Lets the single mails of a batch wait for themselves again; returns how many.

    They share no mailing, so that a pause of one of theirs can only be felt where they are
    gathered. Nothing happens (0) where the batch may have been accepted, or is not ours.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _DISSOLVE,
            {
                "batch": batch.id,
                "fence": batch.fence,
                "month": batch.month,
                "error": error[:300],
            },
        )
        return int(cursor.rowcount)


def holds_paused_mail(batch: ClaimedBatch) -> bool:
    """Whether a batch of single mails holds one whose stream was paused meanwhile."""
    return Mailing.objects.filter(
        pk__in=Message.objects.filter(
            month=batch.month, batch_id=batch.id, state=Message.State.PENDING
        ).values("mailing_id"),
        state=Mailing.State.PAUSED,
    ).exists()


# The batches' own counts lead to the failed ones, without a look at the messages of the others.
_RETRY = f"""
WITH failed AS MATERIALIZED (
    SELECT message.id, message.batch_id
      FROM mail_batch batch
      JOIN mail_message message ON message.month = batch.month AND message.batch_id = batch.id
     WHERE batch.month = %(month)s AND {{batches}} AND batch.failed > 0
       AND message.state = 'failed' AND (%(reasons)s::text[] IS NULL OR reason = ANY(%(reasons)s))
     ORDER BY message.id LIMIT {RETRY_PAGE}
       FOR UPDATE OF message
), numbered AS MATERIALIZED (
    SELECT id, batch_id, (row_number() OVER (ORDER BY id) - 1) / {BATCH_SIZE} AS chunk FROM failed
), chunks AS MATERIALIZED (
    SELECT chunk, count(*) AS size, nextval(pg_get_serial_sequence('mail_batch', 'id')) AS batch_id
      FROM numbered GROUP BY chunk
), left_behind AS (
    UPDATE mail_batch batch SET size = batch.size - gone.number, failed = batch.failed - gone.number
      FROM (SELECT batch_id, count(*) AS number FROM numbered GROUP BY batch_id) gone
     WHERE batch.id = gone.batch_id
), fresh AS (
    INSERT INTO mail_batch (id, account_id, mailing_id, state, month, size, correlation_id)
    OVERRIDING SYSTEM VALUE
    SELECT batch_id, %(account)s, %(mailing)s, 'planned', %(month)s, size, %(correlation)s
      FROM chunks
)
UPDATE mail_message message
   SET batch_id = chunks.batch_id, state = 'pending', reason = '', detail = '', settled_at = NULL
  FROM numbered JOIN chunks USING (chunk)
 WHERE message.month = %(month)s AND message.id = numbered.id
"""


def retry_failed(*, mailing_id: int, reasons: Sequence[str] | None = None) -> int:
    """Makes the failed messages of a mailing pending again, in new batches; returns how many.

    Only those whose reason is among `reasons`, where given. Nobody who was sent anything, or
    might have been, is touched. Raises `StateError` for a cancelled mailing.
    """
    retried = 0
    while True:
        with transaction.atomic():
            mailing = Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
            if mailing.state == Mailing.State.CANCELLED:
                raise StateError("The mailing is cancelled; a cancelled mailing sends no more.")
            moved = _retry_page(
                "batch.mailing_id = %(mailing)s",
                {
                    "mailing": mailing.pk,
                    "month": mailing.month,
                    "account": mailing.account_id,
                    "reasons": None if reasons is None else list(reasons),
                    "correlation": correlation_id(),
                },
            )
            if moved:
                _reopen(mailing)
        retried += moved
        if moved < RETRY_PAGE:
            return retried


def retry_batch(*, batch_id: int) -> int:
    """The same for the failed messages of one batch; returns how many. Runs in a transaction."""
    batch = Batch.objects.get(pk=batch_id)
    if batch.mailing is not None:
        if batch.mailing.state == Mailing.State.CANCELLED:
            raise StateError("The mailing is cancelled; a cancelled mailing sends no more.")
        _reopen(batch.mailing)
    moved = _retry_page(
        "batch.id = %(batch)s",
        {
            "batch": batch_id,
            "mailing": batch.mailing_id,
            "month": batch.month,
            "account": batch.account_id,
            "reasons": None,
            "correlation": correlation_id(),
        },
    )
    enqueue(
        TaskName.SEND_BATCHES if batch.mailing_id else TaskName.SEND_SINGLES,
        account_id=batch.account_id,
    )
    return moved


def _retry_page(batches: str, params: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_RETRY.format(batches=batches), params)
        return int(cursor.rowcount)


def _reopen(mailing: Mailing) -> None:
    Mailing.objects.filter(pk=mailing.pk, state=Mailing.State.COMPLETED).update(
        state=Mailing.State.RUNNING, completed_at=None
    )
    enqueue(TaskName.SEND_BATCHES, account_id=mailing.account_id)
