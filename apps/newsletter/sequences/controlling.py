"""What operators do with sequences under way, and with single people in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.newsletter.models import Enrolment, Sequence
from apps.newsletter.sequences import step_mailings
from apps.newsletter.sequences.errors import SequenceStateError
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

log = structlog.get_logger(__name__)

State = Sequence.State


def pause(*, sequence_id: int, actor: str) -> None:
    """Nobody enters, no step leaves, and what was planned and not sent waits. Nobody is dropped."""
    with transaction.atomic():
        sequence = _change(sequence_id, {State.ACTIVE}, State.PAUSED, actor)
        step_mailings.pause(sequence)


def resume(*, sequence_id: int, actor: str) -> None:
    """Who became due meanwhile gets the step now, within its hours."""
    with transaction.atomic():
        sequence = _change(sequence_id, {State.PAUSED}, State.ACTIVE, actor)
        step_mailings.resume(sequence)
        enqueue(TaskName.ADVANCE_SEQUENCES)


def end(*, sequence_id: int, actor: str) -> int:
    """Everybody leaves; returns how many were under way. It can be started again later."""
    with transaction.atomic():
        sequence = _change(sequence_id, {State.ACTIVE, State.PAUSED}, State.ENDED, actor)
        step_mailings.resume(sequence)
        return _remove(Enrolment.objects.filter(sequence=sequence), "the sequence ended", actor)


def remove(*, enrolment_id: int, actor: str) -> None:
    """No further step for this person; a mail that is planned already still leaves.

    Raises `SequenceStateError` where they are not under way.
    """
    with transaction.atomic():
        if not _remove(Enrolment.objects.filter(pk=enrolment_id), "removed by hand", actor):
            raise SequenceStateError("The person is not under way in this sequence any more.")
    log.info("sequence_person_removed", enrolment=enrolment_id, by=actor)


def _remove(enrolments: QuerySet[Enrolment], reason: str, actor: str) -> int:
    return enrolments.filter(state=Enrolment.State.ACTIVE).update(
        state=Enrolment.State.REMOVED,
        ended_reason=reason,
        ended_by=actor,
        ended_at=Now(),
        moved_at=Now(),
        due_at=None,
    )


def _change(sequence_id: int, allowed: Collection[State], state: State, actor: str) -> Sequence:
    sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence_id)
    if sequence.state not in allowed:
        raise SequenceStateError(
            f"The sequence is {sequence.get_state_display()}; only one that is"
            f" {' or '.join(sorted(allowed))} can become {state.label}."
        )
    Sequence.objects.filter(pk=sequence_id).update(state=state)
    log.info("sequence_changed", sequence=sequence_id, state=state.value, by=actor)
    return sequence
