"""Claiming a batch: one statement, the database's clock, a fence that rises.

Whoever holds the newest fence owns the batch until `due_at`; everything later is written
`WHERE fence = …`, so that a worker that slept through its lease changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from apps.mail.models import BATCH_SIZE

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class ClaimedBatch:
    """A batch that the caller owns under `fence`.

    `sealed` tells that its bytes and key are fixed: an earlier attempt may have reached the
    provider, and only the very same call may be made. `key_age_s` is the key's age in seconds by
    the database's clock (0 where there is none). `falls` counts this claim and those before it that
    ended with their worker, before it could seal.
    """

    id: int
    account_id: int
    mailing_id: int | None
    month: date
    fence: int
    attempts: int
    throttles: int
    ambiguous: bool
    sealed: bool
    key: str
    key_age_s: float
    failing_s: float
    falls: int = 1
    correlation_id: str = ""


# A recovered call goes before new work: its recipients have waited longest. So does a batch whose
# worker died before it called, or that is tried again: behind all of a large mailing it would wait
# for an hour. Among running mailings the order is by chance, so that a large one does not starve
# the others. The lateral look-up keeps the planned batches of paused mailings out of the scan.
# MATERIALIZED is what makes it one batch: as a mere subquery, a join may run it once per row and
# claim everything due.
_CLAIM = """
WITH due AS MATERIALIZED (
        SELECT id FROM (
            SELECT id FROM mail_batch
             WHERE account_id = %(account)s AND state = 'calling'
               AND due_at <= statement_timestamp()
               AND (mailing_id IS NULL) = %(single)s
             ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ) recovered
        UNION ALL
        SELECT id FROM ({planned}) planned
        LIMIT 1
)
UPDATE mail_batch batch
   SET fence = batch.fence + 1,
       due_at = statement_timestamp() + make_interval(secs => %(lease)s),
       attempts = batch.attempts + (batch.state = 'calling')::int,
       falls = batch.falls + (batch.state = 'planned')::int,
       ambiguous = batch.ambiguous OR batch.state = 'calling'
  FROM due, brands_provideraccount account
 WHERE batch.id = due.id AND account.id = batch.account_id
   AND (batch.state = 'calling' OR account.stopped_at IS NULL)
RETURNING batch.id, batch.account_id, batch.mailing_id, batch.month, batch.fence, batch.attempts,
          batch.throttles, batch.ambiguous, batch.state = 'calling', batch.key,
          coalesce(extract(epoch FROM statement_timestamp() - batch.key_made_at), 0)::float,
          coalesce(extract(epoch FROM statement_timestamp() - batch.failing_since), 0)::float,
          batch.falls, batch.correlation_id
"""
_CLAIM_BULK = _CLAIM.format(
    planned="""
            SELECT found.id
              FROM (SELECT id FROM mail_mailing
                     WHERE account_id = %(account)s AND state = 'running' AND kind = 'bulk'
                     ORDER BY random()) mailing
             CROSS JOIN LATERAL (
                   SELECT id FROM (
                       SELECT id FROM mail_batch
                        WHERE mailing_id = mailing.id AND state = 'planned' AND fence > 0
                          AND due_at <= statement_timestamp()
                        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
                   ) taken_before
                   UNION ALL
                   SELECT id FROM (
                       SELECT id FROM mail_batch
                        WHERE mailing_id = mailing.id AND state = 'planned'
                          AND due_at <= statement_timestamp()
                        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
                   ) new
                   LIMIT 1
                   ) found
             LIMIT 1
"""
)
_CLAIM_SINGLE = _CLAIM.format(
    planned="""
            SELECT id FROM mail_batch
             WHERE account_id = %(account)s AND state = 'planned' AND mailing_id IS NULL
               AND due_at <= statement_timestamp()
             ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
)


def claim_batch(*, account_id: int, single: bool = False) -> ClaimedBatch | None:
    """Takes the batch of the account that is due first, or None where nothing is due.

    `single` asks for batches of single mails instead of those of bulk mailings.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM_SINGLE if single else _CLAIM_BULK,
            {
                "account": account_id,
                "single": single,
                "lease": settings.BATCH_LEASE_SECONDS,
            },
        )
        row: tuple[Any, ...] | None = cursor.fetchone()
    return ClaimedBatch(*row) if row else None


# Gathers waiting single mails of all running streams of an account into one planned batch.
_GATHER = f"""
WITH waiting AS (
    SELECT message.month, message.id
      FROM mail_message message
      JOIN mail_mailing mailing ON mailing.id = message.mailing_id
     WHERE message.due_at <= statement_timestamp() AND mailing.account_id = %(account)s
       AND mailing.state = 'running'
     ORDER BY message.due_at LIMIT {BATCH_SIZE}
       FOR UPDATE OF message SKIP LOCKED
), chosen AS (
    -- A batch lies in one partition: at the turn of a month the older mails go first.
    SELECT month, id FROM waiting WHERE month = (SELECT min(month) FROM waiting)
), made AS (
    INSERT INTO mail_batch (account_id, state, month, size, due_at, correlation_id)
    SELECT %(account)s, 'planned', month, count(*), statement_timestamp(), %(correlation)s
      FROM chosen GROUP BY month
    RETURNING id
)
UPDATE mail_message message
   SET batch_id = made.id, due_at = NULL
  FROM chosen, made
 WHERE message.month = chosen.month AND message.id = chosen.id
"""


def gather_singles(*, account_id: int, correlation: str) -> int:
    """Puts up to 100 waiting single mails into a new batch; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_GATHER, {"account": account_id, "correlation": correlation})
        return int(cursor.rowcount)


def release(batch: ClaimedBatch) -> None:
    """Gives back a claimed batch that was not sealed, due again at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mail_batch SET due_at = statement_timestamp(), falls = 0"
            " WHERE id = %s AND fence = %s AND state = 'planned'",
            [batch.id, batch.fence],
        )
