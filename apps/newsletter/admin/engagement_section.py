"""Score and tier on a person's page: what they are made of, and how they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.contacts.admin.sections import Section
from apps.newsletter.engagement.explaining import explain
from apps.newsletter.models import ScoreChange, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from apps.contacts.models import Contact

CHANGES_SHOWN = 20


def section_context(_request: HttpRequest, contact: Contact) -> Mapping[str, Any] | None:
    """Five queries; None where the brand counts nothing."""
    told = explain(contact)
    if not told.parts and not told.silent and not contact.tier:
        return None
    changes = ScoreChange.objects.filter(contact_id=contact.pk).order_by("-id")[:CHANGES_SHOWN]
    names = dict(Tier.objects.filter(brand_id=contact.brand_id).values_list("slug", "name"))
    return {
        "told": told,
        "tier": names.get(contact.tier, contact.tier),
        "is_behind": told.score != contact.score,
        "changes": [
            {
                "change": change,
                "old_tier": names.get(change.old_tier, change.old_tier),
                "new_tier": names.get(change.new_tier, change.new_tier),
                "why": ", ".join(
                    f"{times} x {signal} ({points:g})"
                    for signal, (times, points) in sorted(change.why.items())
                ),
            }
            for change in changes
        ],
    }


SECTION = Section(
    name="engagement",
    title="Engagement",
    template="admin/newsletter/engagement/person.html",
    context=section_context,
    order=40,
)
