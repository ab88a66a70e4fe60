"""Calls that could not be stored: dead letters, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.newsletter.models import PulseCall
from apps.queues import dead_letters
from apps.queues.enqueueing import enqueue
from apps.queues.errors import NotRedrivableError
from apps.queues.health.backlogs import Backlog, ask_backlog
from apps.queues.names import Queue, TaskName

SUBJECT = "newsletter.pulse"
# What nobody re-drove until then is of no use any more, and holds addresses.
KEPT_DAYS = 90

_BURY = """
UPDATE newsletter_pulsecall SET state = 'dead', fence = fence + 1
 WHERE id IN (SELECT id FROM newsletter_pulsecall
               WHERE state <> 'dead' AND due_at <= statement_timestamp()
                 AND attempts >= %(attempts)s
               LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id, attempts, last_error
"""


def bury_spent(*, attempts: int) -> int:
    """Calls whose attempts are spent become dead letters; returns how many.

    By failures, or by workers that died at them.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_BURY, {"attempts": attempts})
            spent = cursor.fetchall()
        for pk, made, error in spent:
            write(
                pk,
                reason="attempts_spent",
                error=error or "The workers that had it died, or were too slow.",
                attempts=made,
            )
    return len(spent)


def write(call_id: int, *, reason: str, error: str, attempts: int) -> None:
    """The dead letter of a call."""
    dead_letters.record(
        queue=Queue.PULSE,
        task=TaskName.STORE_INTERACTIONS,
        subject=SUBJECT,
        subject_id=call_id,
        reason=reason,
        error=error,
        attempts=attempts,
        payload={"pulse": call_id},
    )


def redrive(call_id: int) -> None:
    """Makes a call due again, with new attempts. Raises `NotRedrivableError` where it is gone."""
    dead = PulseCall.objects.filter(pk=call_id, state=PulseCall.State.DEAD)
    if not dead.update(state=PulseCall.State.QUEUED, attempts=0, due_at=Now()):
        raise NotRedrivableError(
            f"Call {call_id} is not there any more: it was stored, or is older than {KEPT_DAYS} "
            "days. Discard the letter."
        )
    enqueue(TaskName.STORE_INTERACTIONS)


def brand_of(call_id: int) -> int | None:
    """For the rights on its letter."""
    call = PulseCall.objects.filter(pk=call_id)
    found: int | None = call.values_list("brand_id", flat=True).first()
    return found


def forget_old() -> int:
    """Deletes dead calls that nobody wants any more; returns how many."""
    old = PulseCall.objects.filter(
        state=PulseCall.State.DEAD, created_at__lt=Now() - timedelta(days=KEPT_DAYS)
    )
    return old.delete()[0]


_BACKLOG = """
SELECT coalesce(sum(rows) FILTER (WHERE due_at <= statement_timestamp()), 0),
       min(due_at) FILTER (WHERE due_at <= statement_timestamp()),
       coalesce(sum(rows) FILTER (WHERE due_at > statement_timestamp()), 0)
  FROM (SELECT rows, due_at FROM newsletter_pulsecall WHERE state <> 'dead' LIMIT 100000) open
"""


def backlog() -> Backlog:
    """In interactions, not in calls."""
    return ask_backlog(_BACKLOG)
