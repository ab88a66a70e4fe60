"""Which brands a key may subscribe people to.

Its own brand always; others only where an operator granted it (`KeyBrand`). So a program of one
shop cannot, by an old habit of sending both flags, subscribe its customers to another shop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.sms.models import KeyBrand, SubscribeFlag
from apps.sms.upserts.reading import Reach

if TYPE_CHECKING:
    from apps.brands.models import ApiKey, Brand


def reach_of(api_key: ApiKey) -> Reach:
    granted = KeyBrand.objects.filter(api_key=api_key).values_list("brand__slug", "brand_id")
    return Reach(
        brand_id=api_key.brand_id,
        actor=api_key.actor,
        slugs={api_key.brand.slug: api_key.brand_id, **dict(granted)},
        flags=_flags(),
    )


def reach_of_brand(brand: Brand, *, actor: str) -> Reach:
    """For commands, which work for one brand."""
    return Reach(brand_id=brand.pk, actor=actor, slugs={brand.slug: brand.pk}, flags=_flags())


def _flags() -> dict[str, str]:
    return dict(SubscribeFlag.objects.values_list("field", "brand__slug"))
