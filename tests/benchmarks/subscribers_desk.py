"""What the benchmark of subscribers does inside a station's desk, where Django is set up."""

from __future__ import annotations

from apps.brands import keys
from apps.brands.models import Brand
from apps.sms.models import SubscribeFlag


def issue_key() -> str:
    """The token of a key that may add subscribers, whose brand has the field `subscribe_wswd`."""
    brand = Brand.objects.earliest("pk")
    SubscribeFlag.objects.get_or_create(field="subscribe_wswd", defaults={"brand": brand})
    return keys.issue(brand=brand, name="bench", scopes=["subscribers:write"], by="bench").token
