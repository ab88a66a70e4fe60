"""Due steps: claimed page by page, ended, put off or mailed, and on to the next step.

A page is one transaction of some ten statements, however many people it has: what it claimed, who
got the step, their messages and where everybody stands now commit together, so that a worker that
is killed anywhere has done all of it or nothing. That somebody gets a step once is a unique row.
"""

from __future__ import annotations

import time
from dataclasses import asdict, astuple, dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction

from apps.mail import listed
from apps.newsletter.models import SequenceStep
from apps.newsletter.recording import recorded
from apps.newsletter.sequences import conditions
from apps.newsletter.sequences.dues import Dues
from apps.newsletter.sequences.step_mailings import mailing_of
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from datetime import datetime

    from apps.mail.models import Mailing
    from apps.newsletter.sequences.conditions import Endings

log = structlog.get_logger(__name__)

# Some 1.5 s of work: short enough for a pause to be felt.
PAGE_SIZE = 10_000
# Then others' audiences get their turn. Far below the task's time limit.
TURN_SECONDS = 60.0


@dataclass
class Advance:
    """Numbers of people of one page or run: `due` is the sum of all the others but `known`.

    `known` got the step before (in a run that was repeated) and only went on.
    """

    due: int = 0
    planned: int = 0
    skipped: int = 0
    put_off: int = 0
    ended: int = 0
    known: int = 0

    def __add__(self, other: Advance) -> Advance:
        mine, theirs = astuple(self), astuple(other)
        return Advance(*(one + another for one, another in zip(mine, theirs, strict=True)))

    def __str__(self) -> str:
        return ", ".join(f"{number} {name}" for name, number in asdict(self).items())


_DUE_STEPS = """
SELECT step.id
  FROM newsletter_sequence sequence
  JOIN newsletter_sequenceversion version
    ON version.sequence_id = sequence.id AND version.published_at IS NOT NULL
  JOIN newsletter_sequencestep step ON step.version_id = version.id
 WHERE sequence.state = 'active' AND (%(brand)s::bigint IS NULL OR sequence.brand_id = %(brand)s)
   AND EXISTS (SELECT FROM newsletter_enrolment e
                WHERE e.version_id = version.id AND e.position = step.position
                  AND e.state = 'active' AND e.due_at <= statement_timestamp())
 ORDER BY step.id
"""


def advance_due(*, turn_seconds: float = TURN_SECONDS, page_size: int = PAGE_SIZE) -> Advance:
    """Works off what is due until nothing is or the turn is over; then it enqueues itself."""
    ends_at = time.monotonic() + turn_seconds
    total = Advance()
    for step in due_steps():
        total += _advance_step(step, ends_at, page_size)
        if time.monotonic() >= ends_at:
            enqueue(TaskName.ADVANCE_SEQUENCES)
            break
    return total


def due_steps(*, brand_id: int | None = None) -> list[SequenceStep]:
    """Steps of active sequences that somebody is due for."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE_STEPS, {"brand": brand_id})
        ids = [row[0] for row in cursor.fetchall()]
    found = SequenceStep.objects.select_related(
        "version__sequence__brand", "version__sequence__sender", "content"
    )
    return list(found.filter(pk__in=ids).order_by("pk"))


def _advance_step(step: SequenceStep, ends_at: float, page_size: int) -> Advance:
    sequence = step.version.sequence
    total = Advance()
    with recorded(
        "sequence.step",
        brand_id=sequence.brand_id,
        sequence=sequence.pk,
        version=step.version.number,
        step=step.position,
    ) as run:
        while time.monotonic() < ends_at:
            page = advance_page(step, page_size=page_size)
            total += page
            run.row_count, run.detail = total.due, str(total)
            if page.due < page_size:
                break
        run.quiet = not total.due
    return total


def advance_page(step: SequenceStep, *, page_size: int = PAGE_SIZE) -> Advance:
    """One page of people due for the step. Nothing happens while the sequence is paused."""
    sequence = step.version.sequence
    endings = conditions.endings(conditions.rules_of(step.version), before=step.position)
    with transaction.atomic():
        claimed = _claim(step, endings, page_size)
        if claimed is None:
            return Advance()
        _end(claimed, endings)
        _wait_for_pauses(claimed)
        going = _put_off(claimed, step, Dues(sequence.brand.timezone))
        if not going:
            return claimed.figures
        mailing = mailing_of(step, sequence)
        contacts = _note_mails(step, mailing, going)
        added = listed.add(mailing_id=mailing.pk, contact_ids=contacts)
        left = _leave(mailing, going)
        _go_on(claimed, step, Dues(sequence.brand.timezone))
    figures = claimed.figures
    figures.planned, figures.skipped = added.planned, sum(added.skipped.values())
    figures.known = len(going) - added.planned - figures.skipped
    log.debug("sequence_page", step=step.pk, left=left, figures=str(figures))
    return figures


@dataclass
class _Claimed:
    """The people of a page by what is to become of them; ids of enrolments."""

    now: datetime
    by_verdict: dict[int, list[int]] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)
    by_zone: dict[str, list[int]] = field(default_factory=dict)
    figures: Advance = field(default_factory=Advance)


# The sequence is held for the page: a pause waits for it, and then nothing more leaves.
_LOCK = """
SELECT statement_timestamp() FROM newsletter_sequence
 WHERE id = %s AND state = 'active' FOR SHARE
"""
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, contact_id, entered_at FROM newsletter_enrolment
     WHERE version_id = %(version)s AND position = %(position)s AND state = 'active'
       AND due_at <= %(now)s
     ORDER BY due_at, id LIMIT %(size)s FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT e.id, {verdict} AS verdict,
           coalesce(c.paused_until > %(now)s, false) AS is_paused,
           coalesce(nullif(c.timezone, ''), %(brand_zone)s) AS zone
      FROM due e JOIN contacts_contact c ON c.id = e.contact_id
)
SELECT verdict, verdict IS NULL AND is_paused,
       CASE WHEN verdict IS NULL AND NOT is_paused THEN zone END, array_agg(id)
  FROM judged GROUP BY 1, 2, 3
"""


def _claim(step: SequenceStep, endings: Endings, page_size: int) -> _Claimed | None:
    sequence = step.version.sequence
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [sequence.pk])
        active = cursor.fetchone()
        if active is None:
            return None
        claimed = _Claimed(now=active[0])
        cursor.execute(
            _CLAIM.format(verdict=endings.verdict),
            {
                **endings.params,
                "version": step.version_id,
                "position": step.position,
                "now": claimed.now,
                "size": page_size,
                "brand_zone": sequence.brand.timezone,
            },
        )
        for verdict, is_paused, zone, ids in cursor.fetchall():
            claimed.figures.due += len(ids)
            if verdict is not None:
                claimed.by_verdict[verdict] = ids
            elif is_paused:
                claimed.paused += ids
            else:
                claimed.by_zone[zone] = ids
    return claimed if claimed.figures.due else None


_END = """
UPDATE newsletter_enrolment e
   SET state = given.state, ended_reason = given.reason, due_at = NULL,
       ended_at = statement_timestamp(), moved_at = statement_timestamp()
  FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[])
       AS given (id, state, reason)
 WHERE e.id = given.id
"""


def _end(claimed: _Claimed, endings: Endings) -> None:
    pairs = [(one, number) for number, ids in claimed.by_verdict.items() for one in ids]
    claimed.figures.ended = len(pairs)
    if pairs:
        _execute(
            _END,
            ids=[one for one, _ in pairs],
            states=[endings.states[number - 1] for _, number in pairs],
            reasons=[endings.reasons[number - 1] for _, number in pairs],
        )


def _wait_for_pauses(claimed: _Claimed) -> None:
    """Who paused all commercial mail goes on where they were when the pause is over."""
    claimed.figures.put_off += len(claimed.paused)
    if claimed.paused:
        _execute(
            "UPDATE newsletter_enrolment e SET due_at = c.paused_until"
            "  FROM contacts_contact c"
            " WHERE e.id = ANY(%(ids)s::bigint[]) AND c.id = e.contact_id",
            ids=claimed.paused,
        )


_SET_DUE = """
UPDATE newsletter_enrolment e SET due_at = given.due_at
  FROM unnest(%(ids)s::bigint[], %(dues)s::timestamptz[]) AS given (id, due_at)
 WHERE e.id = given.id
"""


def _put_off(claimed: _Claimed, step: SequenceStep, dues: Dues) -> list[int]:
    """Those in whose zone the window is closed wait for it; returns the others."""
    later: dict[str, datetime] = {}
    for zone in claimed.by_zone:
        opening = dues.opening(claimed.now, step=step, zone=zone)
        if opening > claimed.now:
            later[zone] = opening
    waiting = [(one, at) for zone, at in later.items() for one in claimed.by_zone.pop(zone)]
    claimed.figures.put_off += len(waiting)
    if waiting:
        _execute(_SET_DUE, ids=[one for one, _ in waiting], dues=[at for _, at in waiting])
    return [one for ids in claimed.by_zone.values() for one in ids]


_NOTE = """
INSERT INTO newsletter_stepmail
       (enrolment_id, step_id, key, mailing_id, month, contact_id, due_at)
SELECT id, %(step)s, %(key)s, %(mailing)s, %(month)s, contact_id, due_at
  FROM newsletter_enrolment WHERE id = ANY(%(ids)s::bigint[])
    ON CONFLICT (enrolment_id, key) DO NOTHING
RETURNING contact_id
"""


def _note_mails(step: SequenceStep, mailing: Mailing, ids: list[int]) -> list[int]:
    """That the step was due; returns the contacts for whom it was not due before."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            {
                "step": step.pk,
                "key": step.key,
                "mailing": mailing.pk,
                "month": mailing.month,
                "ids": ids,
            },
        )
        return [row[0] for row in cursor.fetchall()]


# Whoever may not be mailed now is not written to by any later step either.
_LEAVE = """
UPDATE newsletter_enrolment e
   SET state = 'exited', ended_reason = m.reason, due_at = NULL,
       ended_at = statement_timestamp(), moved_at = statement_timestamp()
  FROM mail_message m
 WHERE e.id = ANY(%(ids)s::bigint[]) AND m.month = %(month)s AND m.mailing_id = %(mailing)s
   AND m.contact_id = e.contact_id AND m.idempotency_key IS NULL
   AND m.state = 'skipped' AND m.reason NOT IN ('cancelled', 'paused')
"""


def _leave(mailing: Mailing, ids: list[int]) -> int:
    return _execute(_LEAVE, ids=ids, month=mailing.month, mailing=mailing.pk)


_GO_ON = """
UPDATE newsletter_enrolment e
   SET position = %(position)s, due_at = given.due_at, moved_at = statement_timestamp()
  FROM unnest(%(ids)s::bigint[], %(dues)s::timestamptz[]) AS given (id, due_at)
 WHERE e.id = given.id AND e.state = 'active'
"""
_FINISH = """
UPDATE newsletter_enrolment
   SET state = 'finished', due_at = NULL,
       ended_at = statement_timestamp(), moved_at = statement_timestamp()
 WHERE id = ANY(%(ids)s::bigint[]) AND state = 'active'
"""


def _go_on(claimed: _Claimed, step: SequenceStep, dues: Dues) -> None:
    following = step.version.steps.filter(position__gt=step.position).first()
    if following is None:
        _execute(_FINISH, ids=[one for ids in claimed.by_zone.values() for one in ids])
        return
    ids: list[int] = []
    times: list[datetime] = []
    for zone, people in claimed.by_zone.items():
        ids += people
        times += [dues.due(claimed.now, step=following, zone=zone)] * len(people)
    _execute(_GO_ON, position=following.position, ids=ids, dues=times)


def _execute(statement: str, **params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)
