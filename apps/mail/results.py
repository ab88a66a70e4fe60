"""How far a mailing is, and what became of everybody in it.

Two ways to the same numbers: `progress` adds up batches and audience pages, some 10,000 rows for a
million recipients; `results` counts the messages themselves. At rest they agree (`differences`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection

from apps.mail.models import Mailing, Message

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime


@dataclass(frozen=True)
class Progress:
    """Numbers of people, at one moment.

    `audience` are those looked at so far; `planned` of them were to be mailed, and are `sent`,
    `failed`, `unknown`, `skipped_later` or still `pending` (`in_flight` of these are in a call or
    wait for its answer). `account_stopped` is why, where the provider account sends nothing at all.
    `skipped` has everybody skipped, `skipped_by_reason` those whose reason was known while
    planning. `happened` has the figures of the mailing by kind and reason. `per_second` is the pace
    of mails in the last seconds, `requests_per_second` the provider's limit as last announced.
    `complete`: nothing is left to plan or send.
    """

    state: str
    state_reason: str
    account_stopped: str
    audience: int
    audience_complete: bool
    planned: int
    sent: int
    failed: int
    unknown: int
    pending: int
    in_flight: int
    skipped_later: int
    skipped_by_reason: Mapping[str, int]
    happened: Mapping[tuple[str, str], int] = field(default_factory=dict)
    per_second: float = 0.0
    requests_per_second: float = 0.0

    def by_reason(self, state: Message.State) -> dict[str, int]:
        """Of failed, unknown or skipped ones (however late): the most frequent reason first."""
        found = Counter(self.skipped_by_reason if state == Message.State.SKIPPED else {})
        found.update({reason: n for (kind, reason), n in self.happened.items() if kind == state})
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def reached(self, kind: str) -> int:
        """How many were delivered, bounced, opened and so on (see `FigureKind`)."""
        return self.happened.get((kind, ""), 0)

    @property
    def skipped(self) -> int:
        return sum(self.skipped_by_reason.values()) + self.skipped_later

    @property
    def done(self) -> int:
        return self.sent + self.failed + self.unknown + self.skipped

    @property
    def seconds_left(self) -> float | None:
        """At the present pace; None where it cannot be told: paused, or still being planned."""
        if self.state != Mailing.State.RUNNING or not self.audience_complete:
            return None
        return self.pending / self.per_second if self.per_second else None

    @property
    def complete(self) -> bool:
        return self.audience_complete and not self.pending


# Over how many seconds the pace is measured.
PACE_SECONDS = 10

_PROGRESS = f"""
SELECT mailing.id, mailing.state, mailing.state_reason, account.stopped_reason,
       mailing.audience_completed_at IS NOT NULL,
       pages.planned, pages.skipped::text,
       batches.sent, batches.failed, batches.unknown, batches.skipped,
       batches.size, batches.in_flight, batches.lately, account.rate_limit,
       extract(epoch FROM statement_timestamp() - mailing.state_changed_at)::float,
       figures.happened::text
  FROM mail_mailing mailing
  JOIN brands_provideraccount account ON account.id = mailing.account_id
 CROSS JOIN LATERAL (
           SELECT coalesce(sum(planned), 0)::bigint AS planned, jsonb_agg(skipped) AS skipped
             FROM mail_audiencepage WHERE mailing_id = mailing.id
       ) pages
 CROSS JOIN LATERAL (
           SELECT coalesce(sum(sent), 0) AS sent, coalesce(sum(failed), 0) AS failed,
                  coalesce(sum(unknown), 0) AS unknown, coalesce(sum(skipped), 0) AS skipped,
                  coalesce(sum(size), 0) AS size,
                  coalesce(sum(size - sent - failed - unknown - skipped)
                           FILTER (WHERE state = 'calling'), 0) AS in_flight,
                  coalesce(sum(sent + failed + unknown)
                           FILTER (WHERE settled_at > greatest(
                               mailing.state_changed_at,
                               statement_timestamp() - interval '{PACE_SECONDS} s'
                           )), 0) AS lately
             FROM mail_batch WHERE mailing_id = mailing.id
       ) batches
 CROSS JOIN LATERAL (
           SELECT jsonb_agg(jsonb_build_array(kind, reason, number)) AS happened
             FROM (SELECT kind, reason, sum(number) AS number
                     FROM (SELECT kind, reason, number FROM mail_dailyfigure
                            WHERE mailing_id = mailing.id
                            UNION ALL
                           SELECT kind, reason, number FROM mail_figurechange
                            WHERE mailing_id = mailing.id) daily
                    GROUP BY kind, reason HAVING sum(number) <> 0) summed
       ) figures
 WHERE mailing.id = ANY(%(mailings)s)
   AND (%(brands)s::bigint[] IS NULL OR mailing.brand_id = ANY(%(brands)s))
"""


def progress(mailing: Mailing) -> Progress:
    """One query over batches, pages and figures, never over messages: some ms for a million.

    For bulk mailings; the batches of a stream belong to several mailings.
    """
    try:
        return progress_of([mailing.pk])[mailing.pk]
    except KeyError:
        raise Mailing.DoesNotExist(f"There is no mailing {mailing.pk}.") from None


def progress_of(
    mailing_ids: Collection[int], *, brand_ids: Collection[int] | None = None
) -> dict[int, Progress]:
    """The progress of several mailings by their ids, of these brands only; one query too."""
    params = {
        "mailings": list(mailing_ids),
        "brands": None if brand_ids is None else list(brand_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PROGRESS, params)
        return {row[0]: _progress(row[1:]) for row in cursor.fetchall()}


def _progress(row: tuple[Any, ...]) -> Progress:
    state, state_reason, account_stopped, audience_complete, planned, pages, *rest = row
    *counts, rate_limit, in_state_s, happened = rest
    sent, failed, unknown, skipped_later, size, in_flight, lately = map(int, counts)
    by_reason = _added_up(pages)
    return Progress(
        state=state,
        state_reason=state_reason,
        account_stopped=account_stopped,
        audience=planned + sum(by_reason.values()),
        audience_complete=audience_complete,
        planned=planned,
        sent=sent,
        failed=failed,
        unknown=unknown,
        pending=size - sent - failed - unknown - skipped_later,
        in_flight=in_flight,
        skipped_later=skipped_later,
        skipped_by_reason=by_reason,
        per_second=lately / min(PACE_SECONDS, max(1.0, in_state_s)),
        requests_per_second=rate_limit,
        happened={
            (kind, reason): number
            for kind, reason, number in (orjson.loads(happened) if happened else ())
        },
    )


def _added_up(pages: str | None) -> dict[str, int]:
    total: Counter[str] = Counter()
    for page in orjson.loads(pages) if pages else ():
        total.update(page)
    return dict(sorted(total.items()))


@dataclass(frozen=True)
class Results:
    """Numbers of messages by state and reason, exactly; the reason of a sent one is empty."""

    counts: Mapping[tuple[str, str], int]

    def total(self, state: Message.State | None = None) -> int:
        """Of one state, or of all."""
        return sum(
            number for (one, _), number in self.counts.items() if state is None or one == state
        )

    def by_reason(self, state: Message.State) -> dict[str, int]:
        """The most frequent reason first."""
        found = {reason: number for (one, reason), number in self.counts.items() if one == state}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


# The condition on the key lets the unique index of the mailing's kind be used.
_RESULTS = """
SELECT state, reason, count(*) FROM mail_message
 WHERE month = %s AND mailing_id = %s AND idempotency_key IS {null}
 GROUP BY state, reason ORDER BY state, reason
"""


def results(mailing: Mailing) -> Results:
    """One query over the mailing's messages in their partition: a second for a million."""
    null = "NULL" if mailing.kind == Mailing.Kind.BULK else "NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(_RESULTS.format(null=null), [mailing.month, mailing.pk])
        return Results({(state, reason): number for state, reason, number in cursor.fetchall()})


def differences(progress: Progress, results: Results) -> dict[str, tuple[int, int]]:
    """Where the two disagree: what progress and results say, by name. Empty when all adds up.

    Take both while nothing moves, or in one REPEATABLE READ transaction.
    """
    said = {
        "audience": (progress.audience, results.total()),
        "sent": (progress.sent, results.total(Message.State.SENT)),
        "failed": (progress.failed, results.total(Message.State.FAILED)),
        "unknown": (progress.unknown, results.total(Message.State.UNKNOWN)),
        "pending": (progress.pending, results.total(Message.State.PENDING)),
        "skipped": (progress.skipped, results.total(Message.State.SKIPPED)),
        "done and pending": (progress.done + progress.pending, progress.audience),
    }
    return {name: pair for name, pair in said.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Effort:
    """What a mailing took: calls that reached out to the provider, and its time."""

    calls: int
    started_at: datetime
    ended_at: datetime | None


# Attempts that ended before anything left the host are no calls.
_CALLS = """
SELECT count(*) FROM mail_batch batch
  JOIN mail_batchattempt attempt ON attempt.batch_id = batch.id
 WHERE batch.mailing_id = %s AND attempt.latency_ms IS NOT NULL
   AND attempt.outcome <> 'SurelyNotSent'
"""


def effort(mailing: Mailing) -> Effort:
    """A call during which its worker was killed has left no record and is not counted."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [mailing.pk])
        calls = int(cursor.fetchone()[0])
    return Effort(calls, started_at=mailing.created_at, ended_at=_ended_at(mailing))


def _ended_at(mailing: Mailing) -> datetime | None:
    if mailing.state == Mailing.State.CANCELLED:
        return mailing.state_changed_at
    return mailing.completed_at
