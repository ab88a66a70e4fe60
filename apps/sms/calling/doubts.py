"""Texts of which nobody knows whether the provider accepted them, and how that is settled.

The provider has no idempotency key and no message id: such a text is never sent again by itself.
A reply, an opt-out or a click proves that it arrived; where nothing comes, a person looks it up at
the provider and says what is so. Each chunk with doubts has one dead letter, until none is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction

from apps.queues import dead_letters
from apps.queues.errors import NotRedrivableError
from apps.queues.names import Queue, TaskName
from apps.sms import figures
from apps.sms.errors import SmsError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date, datetime

    from apps.sms.calling.claiming import Chunk

log = structlog.get_logger(__name__)

DEAD_LETTER_SUBJECT = "sms.chunk"
IN_DOUBT = "in_doubt"
UNREACHABLE = "unreachable"


class NothingInDoubtError(SmsError):
    """No text of the chunk (or none of those named) is in doubt; nothing was changed."""


class Resolution(StrEnum):
    """What a person found out about texts in doubt."""

    SENT = "sent"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A chunk with texts in doubt."""

    chunk_id: int
    brand: str
    local_day: date
    texts: int
    since: datetime
    reasons: str


def note_ended(chunk: Chunk) -> None:
    """Opens the dead letter of a chunk that ended with texts in doubt, or given up."""
    if chunk.doubts:
        _open_letter(chunk.id, IN_DOUBT, chunk.doubts)
    elif chunk.unreachable:
        _open_letter(chunk.id, UNREACHABLE, chunk.unreachable)


def note_reaped(chunk_id: int, doubts: int) -> None:
    """The same for one whose worker died."""
    log.warning("texts_in_doubt", chunk=chunk_id, number=doubts)
    _open_letter(chunk_id, IN_DOUBT, doubts)


def _open_letter(chunk_id: int, reason: str, texts: int) -> None:
    dead_letters.record(
        queue=Queue.SMS,
        task=TaskName.SEND_TEXTS,
        reason=reason,
        error=f"{texts} texts",
        subject=DEAD_LETTER_SUBJECT,
        subject_id=chunk_id,
    )


_LIST = """
SELECT chunk.id, brand.slug, chunk.local_day, count(*), min(text.calling_at),
       string_agg(DISTINCT text.reason, ', ')
  FROM queues_deadletter letter
  JOIN sms_textchunk chunk ON chunk.id = letter.subject_id
  JOIN brands_brand brand ON brand.id = chunk.brand_id
  JOIN sms_senttext text ON text.local_day = chunk.local_day AND text.chunk_id = chunk.id
   AND text.state = 'unknown'
 WHERE letter.subject = %(subject)s AND letter.state = 'open'
   AND (%(chunk)s::bigint IS NULL OR chunk.id = %(chunk)s)
 GROUP BY chunk.id, brand.slug, chunk.local_day
 ORDER BY min(text.calling_at)
 LIMIT %(limit)s
"""


def in_doubt(*, limit: int = 100, chunk_id: int | None = None) -> list[Doubt]:
    """The chunks with texts in doubt, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST, {"subject": DEAD_LETTER_SUBJECT, "chunk": chunk_id, "limit": limit})
        return [Doubt(*row) for row in cursor.fetchall()]


_DOUBTFUL = """
SELECT text.id, text.local_day FROM sms_textchunk chunk
  JOIN sms_senttext text ON text.local_day = chunk.local_day AND text.chunk_id = chunk.id
   AND text.state = 'unknown'
 WHERE chunk.id = %s
 ORDER BY text.id FOR NO KEY UPDATE OF text
"""
_SETTLE = """
UPDATE sms_senttext
   SET state = %(state)s, reason = %(reason)s, detail = %(detail)s,
       sent_at = CASE WHEN %(state)s = 'sent' THEN statement_timestamp() END,
       settled_at = statement_timestamp()
 WHERE local_day = ANY (%(days)s) AND id = ANY (%(ids)s) AND state = 'unknown'
"""


def resolve(
    *,
    chunk_id: int,
    as_: Resolution,
    by: str,
    note: str,
    text_ids: Collection[int] | None = None,
) -> int:
    """Settles the chunk's texts in doubt (or those named) as a person found them; how many.

    Those said to be not sent become failed with the reason `not_sent`; nothing sends them again.
    Raises `NothingInDoubtError`.
    """
    with transaction.atomic():
        doubtful = _doubtful(chunk_id)
        chosen = doubtful if text_ids is None else [row for row in doubtful if row[0] in text_ids]
        if not chosen or (text_ids is not None and len(chosen) < len(set(text_ids))):
            raise NothingInDoubtError(
                f"chunk {chunk_id}: {len(doubtful)} texts are in doubt"
                + ("" if text_ids is None else ", and not all of those named")
                + "; nothing was changed. `manage.py texts unknown` lists them."
            )
        _settle(chosen, as_, detail=f"{by}: {note}")
        if len(chosen) == len(doubtful):
            _close(chunk_id, f"Resolved as {as_} by {by}: {note}")
    log.info("doubt_resolved", chunk=chunk_id, as_=as_, number=len(chosen), by=by)
    return len(chosen)


def settle_proven(*, local_day: date, text_id: int, proof: str) -> bool:
    """A click or a reply proves that the text arrived: it was sent. False where nothing is open.

    `proof` is a short token such as `clicked`; it is kept with the text.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT chunk_id FROM sms_senttext WHERE local_day = %s AND id = %s"
                " AND state = 'unknown' FOR NO KEY UPDATE",
                [local_day, text_id],
            )
            row = cursor.fetchone()
        if row is None:
            return False
        _settle([(text_id, local_day)], Resolution.SENT, detail=f"proven: {proof}")
        if not _doubtful(row[0]):
            _close(row[0], f"The last text in doubt was proven to have arrived: {proof}.")
    log.info("doubt_proven", text=text_id, proof=proof)
    return True


def _doubtful(chunk_id: int) -> list[tuple[int, date]]:
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTFUL, [chunk_id])
        rows: list[tuple[int, Any]] = cursor.fetchall()
    return rows


def _settle(texts: list[tuple[int, date]], as_: Resolution, *, detail: str) -> None:
    is_sent = as_ is Resolution.SENT
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                "state": "sent" if is_sent else "failed",
                "reason": "" if is_sent else str(Resolution.NOT_SENT),
                "detail": detail[:300],
                "days": sorted({day for _, day in texts}),
                "ids": [text_id for text_id, _ in texts],
            },
        )
    figures.note_changed({day for _, day in texts})


def _close(chunk_id: int, note: str) -> None:
    dead_letters.close_for_subject(subject=DEAD_LETTER_SUBJECT, subject_id=chunk_id, note=note)


_REDRIVE = """
WITH again AS (
    UPDATE sms_senttext text
       SET state = 'reserved', reason = '', detail = '', settled_at = NULL, calling_at = NULL
      FROM sms_textchunk chunk
     WHERE chunk.id = %(chunk)s AND text.local_day = chunk.local_day AND text.chunk_id = chunk.id
       AND text.state = 'failed' AND text.reason = 'unreachable'
       AND text.until_at > statement_timestamp()
    RETURNING text.id
)
UPDATE sms_textchunk chunk
   SET state = 'waiting', done_at = NULL, attempts = 0, due_at = statement_timestamp()
 WHERE chunk.id = %(chunk)s AND chunk.state = 'done' AND EXISTS (SELECT 1 FROM again)
"""


def redrive_chunk(chunk_id: int) -> None:
    """Lets a chunk's texts that never reached the provider be tried again.

    Raises `NotRedrivableError` where there are none, or where their hours are over: texts in
    doubt are never sent again.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REDRIVE, {"chunk": chunk_id})
        if not cursor.rowcount:
            raise NotRedrivableError(
                f"Chunk {chunk_id} has no text that surely never left and may still be sent today. "
                "Texts in doubt are not sent again: resolve them with `manage.py texts resolve`."
            )
