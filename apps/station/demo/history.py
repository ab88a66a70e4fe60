"""What had happened before the file came: people who left, complained, bounced or were erased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone

from apps.contacts import subscribing, suppressing
from apps.contacts.addresses import normalise
from apps.contacts.models import (
    ConsentSource,
    Contact,
    ContactStatus,
    SuppressionOrigin,
    SuppressionReason,
)
from apps.contacts.subscribing import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.station.demo.people import Person

# Which of the file's people it was.
_LEFT = slice(50, 90)
_WAITING = slice(90, 110)
_SUPPRESSED = {
    SuppressionReason.HARD_BOUNCE: slice(110, 125),
    SuppressionReason.COMPLAINT: slice(125, 135),
    SuppressionReason.BLOCKED: slice(135, 140),
    SuppressionReason.ERASED: slice(140, 143),
}
_TAKEN_OVER = 12


@dataclass(frozen=True, slots=True)
class History:
    """How many people of each kind there are."""

    left: int
    waiting: int
    suppressed: dict[str, int]
    taken_over: int


def write_history(brand_id: int, people: Sequence[Person]) -> History:
    """Let it have happened. The first rows of the file must be among `people`."""
    for person in people[_LEFT]:
        contact_id = _join(brand_id, person, pending=False)
        subscribing.unsubscribe(contact_id=contact_id, evidence=_evidence(ConsentSource.LINK))
    for person in people[_WAITING]:
        _join(brand_id, person, pending=True)
    for reason, which in _SUPPRESSED.items():
        _suppress(brand_id, people[which], reason)
    _take_over(brand_id)
    return History(
        left=len(people[_LEFT]),
        waiting=len(people[_WAITING]),
        suppressed={reason.value: len(people[one]) for reason, one in _SUPPRESSED.items()},
        taken_over=_TAKEN_OVER,
    )


def _join(brand_id: int, person: Person, *, pending: bool) -> int:
    joined = subscribing.subscribe(
        brand_id=brand_id,
        email=person.email,
        evidence=_evidence(ConsentSource.FORM),
        pending=pending,
    )
    return joined.contact_id


def _evidence(source: ConsentSource) -> Evidence:
    return Evidence(source=source, occurred_at=timezone.now(), detail="the demo's history")


def _suppress(brand_id: int, people: Sequence[Person], reason: SuppressionReason) -> None:
    suppressing.suppress_many(
        addresses=[normalise(one.email).address for one in people],
        reason=reason,
        origin=SuppressionOrigin.OPERATOR,
        now=timezone.now(),
        brand_id=brand_id,
    )


def _take_over(brand_id: int) -> None:
    """People of a former system, copied without a check: the provider refuses their addresses.

    An import would have rejected them; so each of them fails alone, in a batch of a hundred.
    """
    Contact.objects.bulk_create(
        Contact(
            brand_id=brand_id,
            email=f"taken..over.{number}@former.example",
            address=f"taken..over.{number}@former.example",
            first_name="Former",
            last_name=f"Customer {number}",
            status=ContactStatus.SUBSCRIBED,
        )
        for number in range(1, _TAKEN_OVER + 1)
    )
