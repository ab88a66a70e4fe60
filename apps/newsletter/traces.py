"""What this room keeps of one person: what they did, their scores, segments and sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models.functions import Now

from apps.contacts.traces import Moment, Traces
from apps.newsletter.models import (
    ContactSubmission,
    Enrolment,
    Interaction,
    JoinRequest,
    OptIn,
    ScoreChange,
    SegmentPass,
    SegmentWish,
    StepMail,
)
from apps.newsletter.segments.wishes import order_deletion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from django.db.models import QuerySet

    from apps.contacts.models import Contact

EXPORTED_AT_MOST = 10_000


def moments(contact: Contact, most: int) -> Iterator[Moment]:
    for one in _scores(contact)[:most]:
        yield _of_score(one)
    for done in _passes(contact)[:most]:
        yield _of_pass(done)
    for enrolment in _enrolments(contact)[:most]:
        yield from _of_enrolment(enrolment)
    for act in _interactions(contact)[:most]:
        facts = (("what", act.subject),) if act.subject else ()
        yield Moment(act.occurred_at, act.kind.replace("_", " "), facts)


def _of_score(one: ScoreChange) -> Moment:
    moved = one.new_tier != one.old_tier
    tier = f", now in tier {one.new_tier or 'none'}" if moved else ""
    made_of = ", ".join(
        f"{times} x {signal} ({points:g})" for signal, (times, points) in sorted(one.why.items())
    )
    facts = [("because", one.get_cause_display())]
    if made_of:
        facts.append(("made of", made_of))
    tone = ("good" if one.new_score > one.old_score else "bad") if moved else ""
    return Moment(one.at, f"score {one.old_score} → {one.new_score}{tier}", tuple(facts), tone)


def _of_pass(one: SegmentPass) -> Moment:
    target = one.target_segment or "none"
    facts = [("segment wished", target), ("score", str(one.score)), ("calls", str(one.calls))]
    if one.error:
        facts.append(("error", one.error))
    failed = one.outcome != SegmentPass.Outcome.DONE
    title = "segment not set at the provider" if failed else "segment set at the provider"
    return Moment(one.ended_at, title, tuple(facts), "bad" if failed else "")


def _of_enrolment(one: Enrolment) -> Iterator[Moment]:
    name = (("sequence", one.sequence.name),)
    yield Moment(one.entered_at, "entered a sequence", name)
    if one.ended_at is not None:
        reason = (("because", one.ended_reason),) if one.ended_reason else ()
        yield Moment(one.ended_at, f"sequence: {one.get_state_display()}", (*name, *reason))


def export(contact: Contact) -> dict[str, list[dict[str, Any]]]:
    address = contact.address
    mails = StepMail.objects.filter(enrolment__contact=contact).order_by("-pk")
    told = ContactSubmission.objects.filter(brand=contact.brand_id, address=address)
    return {
        "opt in": _rows(
            OptIn.objects.filter(contact=contact),
            "text_shown", "ip", "source", "detail", "asked_at", "confirmed_at",
        ),
        "interactions": _rows(_interactions(contact), "kind", "subject", "occurred_at"),
        "scores": _rows(
            _scores(contact), "old_score", "new_score", "old_tier", "new_tier", "cause", "why", "at"
        ),
        "segment": _rows(
            SegmentWish.objects.filter(contact=contact),
            "target_segment", "score", "wished_at", "known_segments", "known_at",
            "provider_contact_id",
        ),
        "segment passes": _rows(
            _passes(contact),
            "target_segment", "segments_before", "segments_after", "outcome", "ended_at",
        ),
        "sequences": _rows(
            _enrolments(contact),
            "sequence__name", "state", "position", "entered_at", "ended_at", "ended_reason",
        ),
        "sequence mails": _rows(mails, "step__name", "due_at", "made_at"),
        "contact form": _rows(
            told.order_by("-pk"), "name", "email", "subject", "message", "ip", "created_at"
        ),
    }  # fmt: skip


def _rows(rows: QuerySet[Any], *names: str) -> list[dict[str, Any]]:
    return list(rows.values(*names)[:EXPORTED_AT_MOST])


def _scores(contact: Contact) -> QuerySet[ScoreChange]:
    return ScoreChange.objects.filter(contact_id=contact.pk).order_by("-pk")


def _passes(contact: Contact) -> QuerySet[SegmentPass]:
    return SegmentPass.objects.filter(contact_id=contact.pk).order_by("-pk")


def _interactions(contact: Contact) -> QuerySet[Interaction]:
    return Interaction.objects.filter(contact_id=contact.pk).order_by("-occurred_at")


def _enrolments(contact: Contact) -> QuerySet[Enrolment]:
    return (
        Enrolment.objects.filter(contact=contact).select_related("sequence").order_by("-entered_at")
    )


def erase(contact_ids: Collection[int], address: str) -> int:
    ids = list(contact_ids)
    ended = Enrolment.objects.filter(contact__in=ids, state=Enrolment.State.ACTIVE).update(
        state=Enrolment.State.REMOVED, due_at=None, ended_at=Now(), ended_reason="erased"
    )
    doomed: list[Callable[[], tuple[int, dict[str, int]]]] = [
        Interaction.objects.filter(contact_id__in=ids).delete,
        ScoreChange.objects.filter(contact_id__in=ids).delete,
        OptIn.objects.filter(contact__in=ids).delete,
    ]
    if address:
        doomed += [
            ContactSubmission.objects.filter(address=address).delete,
            JoinRequest.objects.filter(email__iexact=address).delete,
        ]
    ordered = order_deletion(ids, address)
    return ended + ordered + sum(delete()[0] for delete in doomed)


TRACES = Traces("newsletter", moments=moments, export=export, erase=erase)
