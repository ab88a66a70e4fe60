"""How many subscribe, in numbers that tell nothing of one person.

The number is kept for a minute, rounded down to two figures (to tens below a hundred), nothing is
told of fewer than ten, and whoever joined today is not in it yet. So a post of somebody's address
moves nothing that the poster could see: not now, for it counts tomorrow; and tomorrow it is one of
all the others, and moves the number in one of at least ten cases. With double opt-in a stranger's
post never counts at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache

from apps.contacts.models import Contact, ContactStatus

if TYPE_CHECKING:
    from apps.brands.models import Brand

FEWEST = 10


def count_subscribers(brand: Brand) -> int:
    """Rounded; one statement a minute in each process, whoever asks how often."""
    key = f"newsletter-count-{brand.pk}"
    known: int | None = cache.get(key)
    if known is not None:
        return known
    counted = rounded(_count(brand))
    cache.set(key, counted, timeout=settings.COUNT_CACHE_SECONDS)
    return counted


def rounded(number: int) -> int:
    """Down to two figures: 37 is 30, 4,711 is 4,700."""
    step = int(max(FEWEST, 10 ** (len(str(number)) - 2)))
    return number - number % step


def _count(brand: Brand) -> int:
    today = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    subscribed = Contact.objects.filter(
        brand=brand, status=ContactStatus.SUBSCRIBED, erased_at=None, status_changed_at__lt=today
    )
    return int(subscribed.count())
