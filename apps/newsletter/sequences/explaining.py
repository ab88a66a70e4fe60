"""Why somebody got a step, or did not: their way through a sequence, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.models import Message
from apps.mail.reports.wording import reason_in_words, state_in_words
from apps.newsletter.models import Enrolment, StepMail
from apps.newsletter.sequences import conditions
from apps.newsletter.sequences.entering import NOT_BEEN_IN_IT, standing_params

if TYPE_CHECKING:
    from datetime import date, datetime

    from apps.contacts.models import Contact
    from apps.newsletter.models import Sequence, SequenceStep


@dataclass(frozen=True)
class StepStory:
    """One step of somebody's way; `at` is when that happened, or is to happen."""

    step: SequenceStep
    what: str
    at: datetime | None
    mailing_id: int | None = None


@dataclass(frozen=True)
class WayStory:
    """One time through the sequence."""

    enrolment: Enrolment
    steps: list[StepStory]


@dataclass(frozen=True)
class EntryCheck:
    """One condition of entering, as it is for the person now."""

    words: str
    holds: bool


@dataclass(frozen=True)
class Explanation:
    """`ways` from the newest on; `entry` says what entering needs and whether it is so."""

    ways: list[WayStory]
    entry: list[EntryCheck]


def explain(*, sequence: Sequence, contact: Contact) -> Explanation:
    """Some queries for each time the person was in it."""
    enrolments = (
        Enrolment.objects.filter(sequence=sequence, contact=contact)
        .select_related("version")
        .order_by("-entered_at")
    )
    return Explanation([_way(one) for one in enrolments], _entry(sequence, contact))


def _way(enrolment: Enrolment) -> WayStory:
    mails = {
        mail.key: mail
        for mail in StepMail.objects.filter(enrolment=enrolment).select_related("step")
    }
    messages = {
        (one.month, one.mailing_id): one
        for one in Message.objects.filter(
            month__in={mail.month for mail in mails.values()},
            mailing__in=[mail.mailing_id for mail in mails.values()],
            contact_id=enrolment.contact_id,
            idempotency_key=None,
        )
    }
    steps = [
        _step(step, enrolment, mails.pop(step.key, None), messages)
        for step in enrolment.version.steps.all()
    ]
    # Those of a version that they were moved away from.
    before = [_step(mail.step, enrolment, mail, messages) for mail in mails.values()]
    return WayStory(enrolment, [*before, *steps])


def _step(
    step: SequenceStep,
    enrolment: Enrolment,
    mail: StepMail | None,
    messages: dict[tuple[date, int], Message],
) -> StepStory:
    if mail is not None:
        message = messages.get((mail.month, mail.mailing_id))
        return StepStory(step, _of_message(message), mail.made_at, mail.mailing_id)
    if enrolment.state == Enrolment.State.ACTIVE:
        if step.position == enrolment.position:
            return StepStory(step, f"due, within its hours ({_hours(step)})", enrolment.due_at)
        if step.position > enrolment.position:
            return StepStory(step, "later", None)
        return StepStory(step, "not sent: it was added behind them", None)
    why = f": {enrolment.ended_reason}" if enrolment.ended_reason else ""
    what = f"not sent: {enrolment.get_state_display()} before it{why}"
    return StepStory(step, what, enrolment.ended_at)


def _of_message(message: Message | None) -> str:
    if message is None:
        return "was due; the mail is no longer kept"
    if not message.reason:
        return state_in_words(message.state)
    return f"{state_in_words(message.state)}: {reason_in_words(message.state, message.reason)}"


def _hours(step: SequenceStep) -> str:
    return f"{step.hour_from:02}:00 to {step.hour_until:02}:00 where they are"


def _entry(sequence: Sequence, contact: Contact) -> list[EntryCheck]:
    version = sequence.current
    if version is None:
        return [EntryCheck("the sequence has a published version", holds=False)]
    entry = conditions.entry(conditions.rules_of(version), takes_everybody=sequence.takes_everybody)
    parts = [
        ("is subscribed", "c.status = 'subscribed' AND c.erased_at IS NULL"),
        *entry.parts,
        ("is not in it, and may enter it (again)", NOT_BEEN_IN_IT),
    ]
    columns = ", ".join(f"coalesce(({sql}), false)" for _, sql in parts)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM contacts_contact c WHERE c.id = %(contact)s",
            {**entry.params, **standing_params(sequence), "contact": contact.pk},
        )
        found = cursor.fetchone()
    checks = [EntryCheck(words, holds) for (words, _), holds in zip(parts, found, strict=True)]
    active = EntryCheck("the sequence is active", holds=sequence.state == "active")
    return [active, *checks]
