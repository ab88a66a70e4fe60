"""How many stand where in a sequence, and what became of the steps that were due."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count

from apps.mail.results import progress_of
from apps.newsletter.models import Enrolment, StepMail, StepMailing
from apps.newsletter.models.digests import Weekday

if TYPE_CHECKING:
    from apps.mail.results import Progress
    from apps.newsletter.models import Sequence, SequenceStep, SequenceVersion

State = Enrolment.State


@dataclass(frozen=True)
class StepStanding:
    """Numbers of people. Of those for whom the step was `due`: what became of the mail.

    `waiting` stand before it now; `exited` and `goals` ended before it.
    """

    step: SequenceStep
    waiting: int
    due: int
    sent: int
    pending: int
    skipped: int
    failed: int
    unknown: int
    exited: int
    goals: int

    @property
    def weekdays(self) -> str:
        """`Mon, Tue`."""
        return ", ".join(Weekday(day).label[:3] for day in sorted(self.step.weekdays))


@dataclass(frozen=True)
class VersionStanding:
    """`entered` are all who are in this version now or ended in it."""

    version: SequenceVersion
    steps: list[StepStanding]
    entered: int
    finished: int
    goals: int
    exited: int
    removed: int


def standings(sequence: Sequence) -> list[VersionStanding]:
    """Published versions, the newest first, those without anybody left out but the current one.

    Some five queries: enrolments and steps are counted along indexes, mails by their batches.
    """
    people = _people(sequence)
    versions = [
        version
        for version in sequence.versions.filter(published_at__isnull=False)
        .prefetch_related("steps__template")
        .order_by("-number")
        if version.pk == sequence.current_id or any(key[0] == version.pk for key in people)
    ]
    dues = _dues(sequence)
    mails = _mails(sequence)
    return [_standing(version, people, dues, mails) for version in versions]


def _standing(
    version: SequenceVersion,
    people: Counter[tuple[int, int, str]],
    dues: dict[int, int],
    mails: dict[int, list[Progress]],
) -> VersionStanding:
    def total(*states: str) -> int:
        return sum(
            n for (pk, _, state), n in people.items() if pk == version.pk and state in states
        )

    steps = [
        StepStanding(
            step=step,
            waiting=people[version.pk, step.position, State.ACTIVE],
            due=dues.get(step.pk, 0),
            sent=sum(one.sent for one in mails.get(step.pk, ())),
            pending=sum(one.pending for one in mails.get(step.pk, ())),
            skipped=sum(one.skipped for one in mails.get(step.pk, ())),
            failed=sum(one.failed for one in mails.get(step.pk, ())),
            unknown=sum(one.unknown for one in mails.get(step.pk, ())),
            exited=people[version.pk, step.position, State.EXITED]
            + people[version.pk, step.position, State.REMOVED],
            goals=people[version.pk, step.position, State.GOAL],
        )
        for step in version.steps.all()
    ]
    return VersionStanding(
        version=version,
        steps=steps,
        entered=total(*State.values),
        finished=total(State.FINISHED),
        goals=total(State.GOAL),
        exited=total(State.EXITED),
        removed=total(State.REMOVED),
    )


def _people(sequence: Sequence) -> Counter[tuple[int, int, str]]:
    """By version, position and state."""
    found = (
        Enrolment.objects.filter(sequence=sequence)
        .values_list("version_id", "position", "state")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return Counter({(version, at, state): number for version, at, state, number in found})


def _dues(sequence: Sequence) -> dict[int, int]:
    found = (
        StepMail.objects.filter(step__version__sequence=sequence)
        .values_list("step_id")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return dict(found)


def _mails(sequence: Sequence) -> dict[int, list[Progress]]:
    """The progress of each step's mailings."""
    of_step = dict(
        StepMailing.objects.filter(step__version__sequence=sequence).values_list(
            "mailing_id", "step_id"
        )
    )
    found: dict[int, list[Progress]] = {}
    if of_step:
        for mailing_id, progress in progress_of(list(of_step)).items():
            found.setdefault(of_step[mailing_id], []).append(progress)
    return found
