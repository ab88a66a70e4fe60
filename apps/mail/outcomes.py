"""Settling: what an attempt's end means for the batch and its messages.

Every statement carries `fence = … AND state = …`: no row means that somebody else owns the batch
by now, and `LeaseLostError` tells the caller to drop it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from apps.mail.errors import LeaseLostError
from apps.mail.models import Message
from apps.queues import dead_letters
from apps.queues.names import Queue, TaskName
from apps.queues.retrying import backoff_seconds

if TYPE_CHECKING:
    from apps.mail.claiming import ClaimedBatch
    from apps.mail.sealing import Sealed

DEAD_LETTER_SUBJECT = "mail.batch"
ERROR_LIMIT = 300


@dataclass(frozen=True)
class Attempt:
    """One provider call as it ended. `error` holds code and name, never addresses or bodies."""

    outcome: str
    latency_ms: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of one message."""

    state: Message.State
    reason: str = ""
    detail: str = ""
    provider_id: str = ""


_SETTLE = """
WITH settled AS (
    UPDATE mail_batch
       SET state = %(batch_state)s, sent = sent + %(sent)s, failed = failed + %(failed)s,
           unknown = unknown + %(unknown)s, settled_at = statement_timestamp(),
           last_error = %(error)s
     WHERE id = %(batch)s AND fence = %(fence)s AND state = 'calling'
    RETURNING id
), history AS (
    INSERT INTO mail_batchattempt (batch_id, number, outcome, latency_ms, error)
    SELECT id, %(number)s, %(outcome)s, %(latency_ms)s, %(error)s FROM settled
), messages AS (
    UPDATE mail_message message
       SET state = given.state, reason = given.reason, detail = given.detail,
           provider_id = coalesce(nullif(given.provider_id, ''), message.provider_id),
           address = given.address,
           settled_at = statement_timestamp(),
           delivery = greatest(message.delivery, given.delivery)
      FROM settled, unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[],
                           %(details)s::text[], %(provider_ids)s::text[], %(addresses)s::text[],
                           %(deliveries)s::smallint[])
           AS given (id, state, reason, detail, provider_id, address, delivery)
     WHERE message.month = %(month)s AND message.id = given.id
)
SELECT count(*) FROM settled
"""


def settle(batch: ClaimedBatch, sealed: Sealed, verdicts: list[Verdict], attempt: Attempt) -> None:
    """Writes the end of every message of the batch and of the batch itself; one statement.

    `verdicts` are in the order of the body. Raises `LeaseLostError`.
    """
    states = [verdict.state for verdict in verdicts]
    unknown = states.count(Message.State.UNKNOWN)
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                **_attempt_fields(batch, attempt),
                "month": batch.month,
                "batch_state": "unknown" if unknown else "settled",
                "sent": states.count(Message.State.SENT),
                "failed": states.count(Message.State.FAILED),
                "unknown": unknown,
                "ids": sealed.message_ids,
                "states": [str(state) for state in states],
                "reasons": [verdict.reason for verdict in verdicts],
                "details": [verdict.detail[:ERROR_LIMIT] for verdict in verdicts],
                "provider_ids": [verdict.provider_id for verdict in verdicts],
                "addresses": sealed.addresses,
                "deliveries": [
                    int(
                        Message.Delivery.ACCEPTED
                        if state is Message.State.SENT
                        else Message.Delivery.NONE
                    )
                    for state in states
                ],
            },
        )
        if not cursor.fetchone()[0]:
            raise LeaseLostError(f"Batch {batch.id} is no longer ours.")


def settle_all(
    batch: ClaimedBatch, sealed: Sealed, verdict: Verdict, attempt: Attempt, *, letter: bool
) -> None:
    """Settles every message alike; `letter` opens a dead letter in the same transaction."""
    with transaction.atomic():
        settle(batch, sealed, [verdict] * len(sealed.message_ids), attempt)
        if letter:
            open_letter(batch, reason=verdict.reason, error=attempt.error)


def open_letter(batch: ClaimedBatch, *, reason: str, error: str) -> None:
    """A dead letter for mails of the batch that were given up, in the caller's transaction."""
    dead_letters.record(
        queue=queue_of(batch),
        task=TaskName.SEND_BATCHES if batch.mailing_id else TaskName.SEND_SINGLES,
        subject=DEAD_LETTER_SUBJECT,
        subject_id=batch.id,
        reason=reason,
        error=error,
        attempts=batch.attempts,
        payload={"batch": batch.id, "mailing": batch.mailing_id},
    )


def queue_of(batch: ClaimedBatch) -> Queue:
    return Queue.BATCH_EMAIL if batch.mailing_id else Queue.SINGLE_EMAIL


_TRY_SAME_AGAIN = """
WITH kept AS (
    UPDATE mail_batch
       SET due_at = statement_timestamp() + make_interval(secs => %(wait)s),
           ambiguous = ambiguous OR %(doubt)s,
           failing_since = coalesce(failing_since, statement_timestamp()), last_error = %(error)s,
           throttles = throttles + %(throttled)s
     WHERE id = %(batch)s AND fence = %(fence)s AND state = 'calling'
    RETURNING id
), history AS (
    INSERT INTO mail_batchattempt (batch_id, number, outcome, latency_ms, error)
    SELECT id, %(number)s, %(outcome)s, %(latency_ms)s, %(error)s FROM kept
)
SELECT count(*) FROM kept
"""


def try_same_again(
    batch: ClaimedBatch,
    attempt: Attempt,
    *,
    doubt: bool,
    wait_seconds: float | None = None,
    throttled: bool = False,
) -> None:
    """Leaves bytes and key as they are and makes the batch due later. Raises `LeaseLostError`.

    `doubt` tells that this attempt may have been accepted.
    """
    _execute_owned(
        _TRY_SAME_AGAIN,
        batch,
        {
            **_attempt_fields(batch, attempt),
            "doubt": doubt,
            "throttled": int(throttled),
            "wait": _wait(batch) if wait_seconds is None else wait_seconds,
        },
    )


_UNSEAL = """
WITH planned AS (
    UPDATE mail_batch
       SET state = 'planned', key = '', key_made_at = NULL, digest = NULL,
           due_at = statement_timestamp() + make_interval(secs => %(wait)s),
           failing_since = CASE WHEN %(failing)s THEN coalesce(failing_since, statement_timestamp())
                                ELSE failing_since END,
           last_error = %(error)s, throttles = throttles + %(throttled)s
     WHERE id = %(batch)s AND fence = %(fence)s AND state = 'calling' AND NOT ambiguous
    RETURNING id
), body AS (
    DELETE FROM mail_batchbody USING planned WHERE batch_id = planned.id
), history AS (
    INSERT INTO mail_batchattempt (batch_id, number, outcome, latency_ms, error)
    SELECT id, %(number)s, %(outcome)s, %(latency_ms)s, %(error)s FROM planned
)
SELECT count(*) FROM planned
"""


def put_back(
    batch: ClaimedBatch,
    attempt: Attempt,
    *,
    wait_seconds: float | None = None,
    throttled: bool = False,
    failing: bool = True,
) -> None:
    """The attempt was surely not accepted: the next one checks, renders and seals anew.

    Where an earlier attempt under the key is in doubt, bytes and key stay. Raises
    `LeaseLostError`.
    """
    if batch.ambiguous:
        try_same_again(batch, attempt, doubt=False, wait_seconds=wait_seconds, throttled=throttled)
        return
    _execute_owned(
        _UNSEAL,
        batch,
        {
            **_attempt_fields(batch, attempt),
            "failing": failing,
            "throttled": int(throttled),
            "wait": _wait(batch) if wait_seconds is None else wait_seconds,
        },
    )


def _wait(batch: ClaimedBatch) -> float:
    return backoff_seconds(
        attempt=max(1, batch.attempts),
        base=settings.RETRY_BASE_SECONDS,
        cap=settings.RETRY_CAP_SECONDS,
    )


def _attempt_fields(batch: ClaimedBatch, attempt: Attempt) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "fence": batch.fence,
        "number": batch.attempts,
        "outcome": attempt.outcome,
        "latency_ms": None if attempt.latency_ms is None else round(attempt.latency_ms),
        "error": attempt.error[:ERROR_LIMIT],
    }


def _execute_owned(statement: str, batch: ClaimedBatch, params: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        if not cursor.fetchone()[0]:
            raise LeaseLostError(f"Batch {batch.id} is no longer ours.")
