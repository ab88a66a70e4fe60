"""Versions: a draft is edited, checked and published; who is under way finishes or is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from apps.mail.models import Content
from apps.newsletter.models import Sequence, SequenceVersion
from apps.newsletter.sequences.checking import problems
from apps.newsletter.sequences.errors import NotReadyError, SequenceStateError
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from apps.newsletter.models import SequenceStep

log = structlog.get_logger(__name__)

OldPeople = SequenceVersion.OldPeople


def draft_of(*, sequence_id: int) -> SequenceVersion:
    """The draft of the sequence; a copy of the current version where there is none yet."""
    with transaction.atomic():
        sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence_id)
        draft = sequence.versions.filter(published_at=None).first()
        if draft is None:
            newest = sequence.versions.aggregate(newest=Max("number"))["newest"] or 0
            draft = SequenceVersion.objects.create(sequence=sequence, number=newest + 1)
            if sequence.current is not None:
                _copy(sequence.current, draft)
    return draft


def _copy(old: SequenceVersion, draft: SequenceVersion) -> None:
    """Steps keep their keys, which are what says that a step is the same one."""
    for step in old.steps.all():
        step.pk, step.version, step.content = None, draft, None
        step.save(force_insert=True)
    for rule in old.rules.all():
        rule.pk, rule.version = None, draft
        rule.save(force_insert=True)


def publish(*, version_id: int, old_people: str, actor: str) -> SequenceVersion:
    """Fixes steps, conditions and texts; from now on people enter this version.

    `old_people` says what becomes of those in older ones: `finish` or `move`. Raises
    `NotReadyError` with all problems, `SequenceStateError` where it is published already.
    """
    choice = OldPeople(old_people)
    with transaction.atomic():
        version = SequenceVersion.objects.select_related("sequence__brand").get(pk=version_id)
        sequence = Sequence.objects.select_for_update(no_key=True).get(pk=version.sequence_id)
        if SequenceVersion.objects.filter(pk=version_id, published_at__isnull=False).exists():
            raise SequenceStateError(f"Version {version.number} was published already.")
        found = problems(version)
        if found:
            raise NotReadyError(found)
        _fix_steps(list(version.steps.select_related("template")))
        moved = _move_people(version) if choice == OldPeople.MOVE else 0
        SequenceVersion.objects.filter(pk=version_id).update(
            published_at=Now(), published_by=actor, old_people=choice, moved=moved
        )
        sequence.current = version
        sequence.save(update_fields=["current"])
    log.info(
        "sequence_published",
        sequence=sequence.pk,
        version=version.number,
        old_people=choice.value,
        moved=moved,
        by=actor,
    )
    version.refresh_from_db()
    return version


def _fix_steps(steps: list[SequenceStep]) -> None:
    """Numbers without gaps, and each step's texts as they are now."""
    for position, step in enumerate(steps, start=1):
        template = step.template
        step.position = position
        step.content = Content.objects.create(
            subject=template.subject, html=template.html, text=template.text
        )
        step.save(update_fields=["position", "content"])


# Behind the last step that somebody got, the first one they have not had; whoever has none left
# is done. They wait as long as they would have.
_MOVE = """
WITH target AS MATERIALIZED (
    SELECT e.id, (
           SELECT min(step.position) FROM newsletter_sequencestep step
            WHERE step.version_id = %(version)s
              AND NOT EXISTS (SELECT FROM newsletter_stepmail had
                               WHERE had.enrolment_id = e.id AND had.key = step.key)
              AND step.position > coalesce((
                  SELECT max(known.position) FROM newsletter_stepmail had
                    JOIN newsletter_sequencestep known
                      ON known.version_id = %(version)s AND known.key = had.key
                   WHERE had.enrolment_id = e.id), 0)) AS position
      FROM newsletter_enrolment e
     WHERE e.sequence_id = %(sequence)s AND e.state = 'active' AND e.version_id <> %(version)s
       FOR UPDATE OF e
)
UPDATE newsletter_enrolment e
   SET version_id = %(version)s,
       position = coalesce(target.position, e.position),
       state = CASE WHEN target.position IS NULL THEN 'finished' ELSE 'active' END,
       due_at = CASE WHEN target.position IS NULL THEN NULL ELSE e.due_at END,
       ended_at = CASE WHEN target.position IS NULL THEN statement_timestamp() END,
       moved_at = statement_timestamp()
  FROM target WHERE e.id = target.id
"""


def _move_people(version: SequenceVersion) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"version": version.pk, "sequence": version.sequence_id})
        return int(cursor.rowcount)


def start(*, sequence_id: int, actor: str) -> Sequence:
    """People enter from now on. Raises `SequenceStateError` without a published version."""
    with transaction.atomic():
        sequence = Sequence.objects.select_for_update(no_key=True).get(pk=sequence_id)
        if sequence.current_id is None:
            raise SequenceStateError("Publish a version first: it says what is sent.")
        if sequence.state not in (Sequence.State.DRAFT, Sequence.State.ENDED):
            raise SequenceStateError(f"The sequence is {sequence.state} already.")
        Sequence.objects.filter(pk=sequence_id).update(
            state=Sequence.State.ACTIVE, enters_since=Now()
        )
        enqueue(TaskName.ADVANCE_SEQUENCES)
    log.info("sequence_started", sequence=sequence_id, by=actor)
    sequence.refresh_from_db()
    return sequence
