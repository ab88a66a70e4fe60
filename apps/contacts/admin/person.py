"""What a person's page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.contacts.admin.contact_forms import DetailsForm, WishesForm
from apps.contacts.admin.sections import render_sections
from apps.contacts.admin.timeline import suppressions_of, timeline
from apps.contacts.editing import topic_states
from apps.contacts.eligibility import MailClass, SkipReason, blocked_addresses
from apps.contacts.models import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from apps.contacts.models import Contact

_MEANS = {
    MailClass.COMMERCIAL: "newsletters and campaigns",
    MailClass.CONFIRMATION: "a link to confirm something with",
    MailClass.TRANSACTIONAL: "receipts and the like",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether one class of mail reaches the person, and if not, why."""

    label: str
    means: str
    reason: SkipReason | None


def person_context(
    request: HttpRequest,
    contact: Contact,
    *,
    details: DetailsForm | None,
    wishes: WishesForm | None,
    editing: bool,
) -> dict[str, Any]:
    """A constant number of queries, apart from what the sections of other rooms take."""
    suppressions = suppressions_of(contact)
    details = details or DetailsForm.of(contact)
    return {
        "contact": contact,
        "details": details if editing else None,
        "media": details.media,
        "wishes": wishes or wishes_form(contact),
        "traits": sorted(contact.traits.items()),
        "reaches": _reaches(contact),
        "suppressions": suppressions,
        "timeline": timeline(contact, suppressions),
        "sections": render_sections(request, contact),
    }


def wishes_form(contact: Contact, posted: Mapping[str, Any] | None = None) -> WishesForm:
    topics = list(Topic.objects.of_brand(contact.brand_id).order_by("name"))
    return WishesForm(posted, contact=contact, topics=topics, states=topic_states(contact.pk))


def _reaches(contact: Contact) -> list[Reach]:
    found = []
    for one in MailClass:
        blocked = blocked_addresses([contact.address], contact.brand, one)
        reason = SkipReason.ERASED if contact.erased_at else blocked.get(contact.address)
        found.append(Reach(one.label, _MEANS[one], reason))
    return found
