"""Mails of which nobody knows whether the provider accepted them, and how that is settled.

They are never sent again blindly. A delivery event proves that a mail was accepted; where none
comes, a person looks it up at the provider and says what is so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction

from apps.mail.errors import MailError, StateError
from apps.mail.models import Batch, BatchAttempt, Message
from apps.mail.outcomes import DEAD_LETTER_SUBJECT, ERROR_LIMIT
from apps.queues import dead_letters

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

log = structlog.get_logger(__name__)

# Refusals name at most this many ids.
NAMED_AT_MOST = 10


class Resolution(StrEnum):
    """What a person found out about mails in doubt."""

    SENT = "sent"
    NOT_SENT = "not_sent"


class NoSuchBatchError(MailError):
    """There is no batch of this number. `manage.py unknown list` shows those in doubt."""


@dataclass(frozen=True)
class Move:
    """By how much the counts of a batch change."""

    batch_id: int
    sent: int = 0
    failed: int = 0
    unknown: int = 0


# Locked in the order of their ids, so that two of these never wait for each other.
_RECOUNT = """
WITH moved AS MATERIALIZED (
    SELECT batch.id, given.sent, given.failed, given.unknown
      FROM unnest(%(ids)s::bigint[], %(sent)s::int[], %(failed)s::int[], %(unknown)s::int[])
           AS given (id, sent, failed, unknown)
      JOIN mail_batch batch ON batch.id = given.id
     ORDER BY batch.id
       FOR NO KEY UPDATE OF batch
)
UPDATE mail_batch batch
   SET sent = batch.sent + moved.sent, failed = batch.failed + moved.failed,
       unknown = batch.unknown + moved.unknown,
       state = CASE WHEN batch.state = 'unknown' AND batch.unknown + moved.unknown = 0
                    THEN 'settled' ELSE batch.state END
  FROM moved
 WHERE batch.id = moved.id
RETURNING batch.id, batch.unknown = 0 AND (moved.unknown < 0 OR batch.failed = 0)
"""


def recount(moves: Collection[Move], *, note: str) -> None:
    """Changes the counts of batches whose messages have changed, in the same transaction.

    A batch in which nothing is in doubt any more is settled, and its dead letter closed.
    """
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _RECOUNT,
            {
                "ids": [move.batch_id for move in moves],
                "sent": [move.sent for move in moves],
                "failed": [move.failed for move in moves],
                "unknown": [move.unknown for move in moves],
            },
        )
        rows = cursor.fetchall()
    for batch_id in [batch_id for batch_id, is_clear in rows if is_clear]:
        dead_letters.close_for_subject(subject=DEAD_LETTER_SUBJECT, subject_id=batch_id, note=note)
        log.info("batch_out_of_doubt", batch=batch_id)


@dataclass(frozen=True)
class Resolved:
    """How many mails were settled as the person said, and how many events had proved as sent."""

    number: int
    proven: int


def resolve_batch(
    *,
    batch_id: int,
    as_: Resolution,
    by: str,
    note: str,
    message_ids: Iterable[int] | None = None,
) -> Resolved:
    """Settles the batch's mails in doubt (or those named) as a person found them.

    Those said to be not sent become failed with the reason `not_sent`, so that a retry of the
    failed ones sends them. Mails whose events have come already are sent, whatever is said.
    `by` and `note` are kept with the batch's attempts. Raises `NoSuchBatchError`, and `StateError`
    where nothing (or not all that is named) is in doubt.
    """
    with transaction.atomic():
        batch = _batch(batch_id)
        proven = _settle_proven(batch)
        doubtful = _lock_doubtful(batch)
        named = set(doubtful if message_ids is None else message_ids).difference(proven)
        _insist_on_doubt(batch_id, named, doubtful, nothing_is_fine=bool(proven))
        if named:
            _settle_as_said(batch, sorted(named), as_, by=by, note=note)
    log.info("doubt_resolved", batch=batch_id, as_=as_, number=len(named), by=by)
    return Resolved(len(named), len(proven))


def _settle_as_said(
    batch: Batch, message_ids: list[int], as_: Resolution, *, by: str, note: str
) -> None:
    number = len(message_ids)
    _settle_as(as_, batch.month, message_ids)
    BatchAttempt.objects.create(
        batch=batch,
        number=batch.attempts,
        outcome=f"resolved_{as_}",
        error=f"{number} by {by}: {note}"[:ERROR_LIMIT],
    )
    if as_ is Resolution.SENT:
        move = Move(batch.pk, sent=number, unknown=-number)
    else:
        move = Move(batch.pk, failed=number, unknown=-number)
    recount([move], note=f"Resolved as {as_} by {by}: {note}")


def settle_proven(*, batch_id: int) -> int:
    """Makes the batch's mails in doubt sent whose delivery events have come already; how many.

    Their events came while the batch was still calling, so none may come again. Runs in the
    transaction that settles the batch as unknown.
    """
    return len(_settle_proven(_batch(batch_id)))


def _settle_proven(batch: Batch) -> list[int]:
    proven = _lock_doubtful(batch, at_least=Message.Delivery.ACCEPTED)
    if proven:
        _settle_as(Resolution.SENT, batch.month, proven)
        recount(
            [Move(batch.pk, sent=len(proven), unknown=-len(proven))],
            note="Delivery events had proved that the provider accepted the mails.",
        )
    return proven


def _batch(batch_id: int) -> Batch:
    try:
        return Batch.objects.get(pk=batch_id)
    except Batch.DoesNotExist:
        raise NoSuchBatchError(f"There is no batch {batch_id}.") from None


def _lock_doubtful(
    batch: Batch, *, at_least: Message.Delivery = Message.Delivery.NONE
) -> list[int]:
    """The ids of the mails in doubt, locked in their order, as events lock them too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM mail_message"
            " WHERE month = %s AND batch_id = %s AND state = 'unknown' AND delivery >= %s"
            " ORDER BY id FOR NO KEY UPDATE",
            [batch.month, batch.pk, int(at_least)],
        )
        return [row[0] for row in cursor.fetchall()]


def _insist_on_doubt(
    batch_id: int, named: set[int], doubtful: list[int], *, nothing_is_fine: bool
) -> None:
    if not named and not nothing_is_fine:
        raise StateError(f"Nothing in batch {batch_id} is in doubt; nothing was changed.")
    others = sorted(named.difference(doubtful))
    if others:
        shown = ", ".join(str(one) for one in others[:NAMED_AT_MOST])
        more = " and others" if len(others) > NAMED_AT_MOST else ""
        raise StateError(
            f"Not in doubt in batch {batch_id}: message {shown}{more}. Nothing was changed; name "
            "only messages that `manage.py unknown show` lists."
        )


def _settle_as(as_: Resolution, month: date, message_ids: list[int]) -> None:
    sent = as_ is Resolution.SENT
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_message"
            "   SET state = %s, reason = %s, detail = '', settled_at = statement_timestamp(),"
            "       delivery = greatest(delivery, %s)"
            " WHERE month = %s AND id = ANY(%s)",
            [
                str(Message.State.SENT if sent else Message.State.FAILED),
                "" if sent else str(Resolution.NOT_SENT),
                int(Message.Delivery.ACCEPTED if sent else Message.Delivery.NONE),
                month,
                message_ids,
            ],
        )
