"""Who logs in for the browser tests, and what they find; runs in the station's desk."""

from __future__ import annotations

from django.contrib.auth.models import User

from apps.brands.models import Brand, Grant, Right
from apps.contacts.models import Topic

PASSWORD = "a-password-of-a-throwaway-station"


def create_operators(*, brand: int) -> None:
    """Anna may do everything with the brand but administer it; Ben may only look."""
    rights = {"anna": set(Right) - {Right.ADMINISTER}, "ben": {Right.VIEW}}
    for name, held in rights.items():
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        Grant.objects.bulk_create(
            Grant(user=user, brand_id=brand, right=right, granted_by="tests") for right in held
        )


def create_topic(*, brand: int, slug: str) -> None:
    Topic.objects.create(brand=Brand.objects.get(pk=brand), slug=slug, name=slug.title())
