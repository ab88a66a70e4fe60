"""Telling the rest of the newsletter that a contact joined, changed or left, in one transaction."""

from __future__ import annotations

from apps.newsletter import caching
from apps.newsletter.segments import wishes


def contact_changed(*, contact_id: int) -> None:
    """Topics or details changed: the provider is to be told."""
    wishes.contact_changed(contact_id=contact_id)


def membership_changed(*, contact_id: int, brand_id: int) -> None:
    """They joined, came back or left: the provider and those who show the number are told."""
    wishes.contact_changed(contact_id=contact_id)
    caching.invalidate(brand_id=brand_id)
