"""What a message will look like on a phone: its words for somebody, its length, its cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings

from apps.sms.lengths import Length, cost, measure
from apps.sms.models import Subscriber, Subscription
from apps.sms.tracking.links import sample_urls
from apps.sms.wording import compiled

if TYPE_CHECKING:
    from collections.abc import Collection

    from apps.brands.models import Brand

# A made-up person, for a brand that has nobody yet.
_SAMPLE = {"first_name": "Anna", "last_name": "Park", "name": "Anna Park", "traits": {}}


@dataclass(frozen=True, slots=True)
class Preview:
    """`thousand_cost` is of a thousand such texts."""

    text: str
    length: Length
    thousand_cost: Decimal
    currency: str


def preview(*, body: str, brand: Brand, link_names: Collection[str]) -> Preview:
    """The message for the brand's newest subscriber. Raises `WordingError`."""
    text = compiled(body).text(
        subscriber=_somebody(brand),
        brand={"name": brand.name, "website": brand.website},
        links=sample_urls(link_names),
    )
    length = measure(text)
    price = Decimal(str(settings.TEXT_SEGMENT_PRICE))
    thousand = cost(segments=length.segments, recipients=1000, segment_price=price)
    return Preview(text, length, thousand, settings.TEXT_CURRENCY)


def _somebody(brand: Brand) -> dict[str, object]:
    newest = Subscription.objects.filter(brand=brand, active=True).order_by("-subscriber_id")
    subscriber_id = newest.values_list("subscriber_id", flat=True).first()
    fields = ("first_name", "last_name", "name", "traits")
    found = Subscriber.objects.filter(pk=subscriber_id or 0).values(*fields).first()
    return dict(found or _SAMPLE)
