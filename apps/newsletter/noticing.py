"""Telling the rest of the newsletter that a contact joined, changed or left, in one transaction."""

from __future__ import annotations

from apps.newsletter import caching
from apps.newsletter.engagement import scoring
from apps.newsletter.models import ScoreChange
from apps.newsletter.segments import wishes


def contact_changed(*, contact_id: int) -> None:
    """Topics changed: the provider is to be told."""
    wishes.contact_changed(contact_id=contact_id)


def contact_joined(*, contact_id: int, brand_id: int) -> None:
    """They joined or came back: score, tier and with it the wish for their segment.

    At once, so that a new contact is made at the provider with its segment, in one call.
    """
    wishes.contact_changed(contact_id=contact_id)
    scoring.rescore([contact_id], cause=ScoreChange.Cause.JOINED)
    caching.invalidate(brand_id=brand_id)


def contact_left(*, contact_id: int, brand_id: int) -> None:
    wishes.contact_changed(contact_id=contact_id)
    caching.invalidate(brand_id=brand_id)
