"""Dead letters: recording them, driving them again, discarding them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.errors import (
    DeadLetterClosedError,
    NoteMissingError,
    NotRedrivableError,
    UnknownSubjectError,
)
from apps.queues.models import DeadLetter
from apps.queues.registry import TASK_QUEUES
from apps.queues.scrubbing import scrub, scrub_deeply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Redrive = Callable[[int], None]
    BrandOf = Callable[[int], int | None]

log = structlog.get_logger(__name__)

ERROR_LIMIT = 500

_redrives: dict[str, Redrive] = {}
_brands: dict[str, BrandOf] = {}


def register_redrive(subject: str, redrive: Redrive) -> None:
    """A room tells how a row of its own is made due again; called from its `AppConfig.ready`.

    `redrive(subject_id)` runs inside the transaction that closes the letter.
    """
    _redrives[subject] = redrive


def register_brand_of(subject: str, brand_of: BrandOf) -> None:
    """A room above tells whose work a row is: the id of its brand, None where it is nobody's.

    `brand_of(subject_id)` is one look-up; it runs in the transaction that records the letter.
    """
    _brands[subject] = brand_of


_RECORD = """
INSERT INTO queues_deadletter
       (queue, task, subject, subject_id, reason, error, payload, attempts, correlation_id,
        brand_id, state, closed_by, note)
VALUES (%(queue)s, %(task)s, %(subject)s, %(subject_id)s, %(reason)s, %(error)s, %(payload)s::jsonb,
        %(attempts)s, %(correlation_id)s, %(brand_id)s, 'open', '', '')
ON CONFLICT {conflict}
DO UPDATE SET reason = excluded.reason, error = excluded.error,
              attempts = greatest(queues_deadletter.attempts + 1, excluded.attempts),
              correlation_id = excluded.correlation_id, last_failed_at = statement_timestamp()
RETURNING id
"""
_BY_SUBJECT = _RECORD.format(
    conflict="(subject, subject_id) WHERE state = 'open' AND NOT subject = ''"
)
_BY_WAKE_UP = _RECORD.format(conflict="(task, payload) WHERE state = 'open' AND subject = ''")


def record(  # noqa: PLR0913 - a letter has this many facts
    *,
    queue: str,
    task: str,
    reason: str,
    error: str = "",
    attempts: int = 0,
    subject: str = "",
    subject_id: int | None = None,
    payload: dict[str, Any] | None = None,
) -> int:
    """Opens a dead letter, or renews the open one of the same work; returns its id.

    Addresses and keys are taken out of `error`. `payload` holds ids and names of rows, nothing
    else: it is what a wake-up is published with again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_SUBJECT if subject else _BY_WAKE_UP,
            {
                "queue": queue,
                "task": task,
                "subject": subject,
                "subject_id": subject_id,
                "reason": reason,
                "error": scrub(error)[:ERROR_LIMIT],
                "payload": json.dumps(scrub_deeply(payload or {})),
                "attempts": attempts,
                "correlation_id": correlation_id(),
                "brand_id": _brand_of(subject, subject_id),
            },
        )
        letter_id = int(cursor.fetchone()[0])
    log.error(
        "dead_letter_recorded",
        queue=queue,
        task=task,
        reason=reason,
        subject=subject,
        subject_id=subject_id,
        dead_letter=letter_id,
    )
    return letter_id


def _brand_of(subject: str, subject_id: int | None) -> int | None:
    brand_of = _brands.get(subject)
    return None if brand_of is None or subject_id is None else brand_of(subject_id)


def redrive(*, letter_id: int, by: str) -> None:
    """Closes the letter and makes its work due again, together or not at all.

    Raises `DeadLetterClosedError` where somebody was quicker, and `NotRedrivableError` where the
    work must not or cannot be done again as it is.
    """
    with transaction.atomic():
        letter = _close(letter_id, DeadLetter.State.REDRIVEN, by=by, note="")
        if letter.subject:
            _redrive_for(letter.subject)(letter.subject_id or 0)
        else:
            _wake_again(letter)
    log.info("dead_letter_redriven", dead_letter=letter_id, by=by)


def _wake_again(letter: DeadLetter) -> None:
    if letter.task not in TASK_QUEUES:
        raise NotRedrivableError(
            f"No queue of this version works the task {letter.task!r}: finish the deployment that "
            "brings it, or discard the letter."
        )
    enqueue(letter.task, **letter.payload)


def redrive_many(*, letter_ids: Iterable[int], by: str) -> int:
    """Drives each again in a transaction of its own; returns how many were still open."""
    driven = 0
    for letter_id in letter_ids:
        try:
            redrive(letter_id=letter_id, by=by)
        except DeadLetterClosedError:
            continue
        driven += 1
    return driven


def discard(*, letter_id: int, by: str, note: str) -> None:
    """Closes the letter without doing its work; the note says why.

    Raises `NoteMissingError` for an empty note, `DeadLetterClosedError` where somebody was quicker.
    """
    if not note.strip():
        raise NoteMissingError("Say why in a note: it is kept with the letter.")
    with transaction.atomic():
        _close(letter_id, DeadLetter.State.DISCARDED, by=by, note=note)
    log.info("dead_letter_discarded", dead_letter=letter_id, by=by)


def close_for_subject(*, subject: str, subject_id: int, note: str) -> int:
    """The work resolved itself (a late event, say); returns how many letters that closed."""
    return (
        DeadLetter.objects.open()
        .filter(subject=subject, subject_id=subject_id)
        .update(state=DeadLetter.State.DISCARDED, closed_at=Now(), closed_by="station", note=note)
    )


def _close(letter_id: int, state: DeadLetter.State, *, by: str, note: str) -> DeadLetter:
    changed = (
        DeadLetter.objects.open()
        .filter(pk=letter_id)
        .update(state=state, closed_at=Now(), closed_by=by, note=note)
    )
    if not changed:
        raise DeadLetterClosedError(f"Dead letter {letter_id} is not open.")
    return DeadLetter.objects.get(pk=letter_id)


def _redrive_for(subject: str) -> Redrive:
    try:
        return _redrives[subject]
    except KeyError:
        raise UnknownSubjectError(f"Nobody registered how to drive {subject!r} again.") from None
