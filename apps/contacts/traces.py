"""What the station knows of one person, room by room: to show, to hand over, to remove.

Rooms above register what they keep from `AppConfig.ready`, so that nothing here imports them:

    register_traces(Traces("mail", moments=..., export=..., erase=...))

An erasure runs every room's in its own transaction, and again for some days afterwards: what was
under way at that moment (a call, an event, an import) may still have left something behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from apps.contacts.models import ConsentRecord, Contact, TopicSubscription
from apps.contacts.suppressing import history

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from apps.contacts.models import Suppression

log = structlog.get_logger(__name__)

ERASED_AGAIN_FOR = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Moment:
    """`facts` are pairs of a word and what it says; `tone` is good, bad or empty."""

    at: datetime
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    tone: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Traces:
    """What one room keeps of people.

    `moments` gets a contact and how many are wanted, and returns the newest in a constant number
    of queries. `export` returns JSON-ready lists by what they are. `erase` gets the ids of all
    contacts of one person and their address ("" where it is gone already), removes what tells of
    them, and returns how many rows it changed; it runs again and again.
    """

    name: str
    moments: Callable[[Contact, int], Iterable[Moment]]
    export: Callable[[Contact], dict[str, list[dict[str, Any]]]]
    erase: Callable[[Collection[int], str], int]


_kept: dict[str, Traces] = {}


def register_traces(traces: Traces) -> None:
    """A second one of the same name replaces the first."""
    _kept[traces.name] = traces


def moments_of(contact: Contact, *, most: int) -> list[Moment]:
    """The newest of every room, in no order."""
    return [moment for one in _kept.values() for moment in one.moments(contact, most)]


def export_person(contact: Contact) -> dict[str, Any]:
    """Everything that is kept of a person in one brand, as JSON takes it."""
    return {
        "person": {
            "email": contact.email,
            "address": contact.address,
            "brand": contact.brand.name,
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "locale": contact.locale,
            "timezone": contact.timezone,
            "traits": contact.traits,
            "status": contact.status,
            "status_changed_at": contact.status_changed_at,
            "paused_until": contact.paused_until,
            "score": contact.score,
            "tier": contact.tier,
            "created_at": contact.created_at,
        },
        "topics": list(
            TopicSubscription.objects.filter(contact=contact)
            .order_by("topic__name")
            .values("topic__name", "state", "changed_at")
        ),
        "consent": list(
            ConsentRecord.objects.filter(contact=contact)
            .order_by("pk")
            .values("kind", "topic__name", "source", "detail", "text_shown", "ip", "occurred_at")
        ),
        "suppressions": [_exported(one) for one in _suppressions(contact)],
        **{
            f"{room}: {what}": rows
            for room, one in _kept.items()
            for what, rows in one.export(contact).items()
        },
    }


def erase(contact_ids: Collection[int], address: str) -> dict[str, int]:
    """Removes what all rooms keep of these contacts; rows by room. In the caller's transaction."""
    return {name: one.erase(contact_ids, address) for name, one in _kept.items()}


def erase_again(*, now: datetime) -> int:
    """Once more for whoever was erased lately; returns how many rows had come since."""
    ids = list(
        Contact.objects.filter(erased_at__gte=now - ERASED_AGAIN_FOR).values_list("pk", flat=True)
    )
    if not ids:
        return 0
    rows = erase(ids, "")
    if any(rows.values()):
        log.info("late_traces_erased", contacts=len(ids), **rows)
    return sum(rows.values())


def _suppressions(contact: Contact) -> list[Suppression]:
    return [one for one in history(contact.address) if one.brand_id in {None, contact.brand_id}]


def _exported(one: Suppression) -> dict[str, Any]:
    return {
        "reason": one.reason,
        "origin": one.origin,
        "for_all_brands": one.brand_id is None,
        "created_at": one.created_at,
        "lifted_at": one.lifted_at,
    }
