"""The mailings that carry a sequence's steps: one per step and month."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.contacts.eligibility import MailClass
from apps.mail import listed, mailings
from apps.mail.models import Mailing
from apps.newsletter.models import SequenceStep, StepMailing

if TYPE_CHECKING:
    from datetime import date

    from apps.newsletter.models import Sequence

SEQUENCE_CLASS = MailClass.COMMERCIAL
PAUSED = "The sequence is paused."


def mailing_of(step: SequenceStep, sequence: Sequence) -> Mailing:
    """This month's mailing of the step; made where it is missing. Two at once make one."""
    month = listed.this_month()
    found = _find(step, month)
    if found is None:
        SequenceStep.objects.select_for_update(no_key=True).get(pk=step.pk)
        found = _find(step, month) or _make(step, sequence)
    return found


def _find(step: SequenceStep, month: date) -> Mailing | None:
    known = StepMailing.objects.select_related("mailing").filter(step=step, month=month).first()
    return known.mailing if known else None


def _make(step: SequenceStep, sequence: Sequence) -> Mailing:
    if step.content is None:
        raise RuntimeError(f"Step {step.pk} has no content: its version was never published.")
    readers = list(sequence.readers.order_by("pk").values_list("pk", flat=True))
    mailing = listed.open_listed(
        name=sequence.name,
        sender=sequence.sender,
        mail_class=SEQUENCE_CLASS,
        content=step.content,
        topic_groups=[readers] if readers else [],
    )
    StepMailing.objects.create(step=step, mailing=mailing, month=mailing.month)
    return mailing


def finish_past_months() -> int:
    """Nobody enters a mailing of a month that is over; returns how many were finished."""
    past = StepMailing.objects.filter(
        month__lt=listed.this_month(), mailing__audience_completed_at=None
    )
    return listed.finish(list(past.values_list("mailing_id", flat=True)[:1000]))


def pause(sequence: Sequence) -> None:
    """What was planned and not sent waits, too."""
    for mailing in _of(sequence, Mailing.State.RUNNING):
        mailings.pause(mailing_id=mailing, reason=PAUSED)


def resume(sequence: Sequence) -> None:
    """Those that `pause` paused; what somebody else paused stays so."""
    for mailing in _of(sequence, Mailing.State.PAUSED, state_reason=PAUSED):
        mailings.resume(mailing_id=mailing)


def _of(sequence: Sequence, state: Mailing.State, **more: str) -> list[int]:
    found = Mailing.objects.filter(
        sequence_step__step__version__sequence=sequence, state=state, **more
    )
    return list(found.values_list("pk", flat=True))
