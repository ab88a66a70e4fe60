"""A brand whose texts may go, at noon in New York, and people whom nothing keeps from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from apps.queues.partitions import ensure_partitions
from apps.sms.choosing import running
from apps.sms.models import SentText
from tests.factories.brands import BrandFactory
from tests.factories.texts import (
    SubscriptionFactory,
    TextCampaignFactory,
    TextMessageFactory,
    open_sending,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.brands.models import Brand
    from apps.sms.choosing.running import RunFigures
    from apps.sms.models import Subscriber, TextCampaign, TextMessage

NOON = datetime(2026, 6, 10, 16, 0, tzinfo=UTC)  # in New York; a Wednesday
DAY = NOON.date()


@dataclass
class Town:
    """`run` is a minute's run; each one is another minute, and `at` moves only where told."""

    brand: Brand = field(default_factory=lambda: BrandFactory.create(timezone="America/New_York"))
    _minutes: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for day in (DAY, datetime(2026, 3, 8, tzinfo=UTC).date(), DAY + timedelta(days=150)):
            ensure_partitions("sms_senttext", around=day)
        self.settings()

    def settings(self, **values: Any) -> None:
        open_sending(self.brand, **{"gap_minutes": 0, **values})

    def campaign(self, **fields: Any) -> TextCampaign:
        return TextCampaignFactory.create(brand=self.brand, **fields)

    def message(self, campaign: TextCampaign | None = None, **fields: Any) -> TextMessage:
        return TextMessageFactory.create(campaign=campaign or self.campaign(), **fields)

    def person(self, **fields: Any) -> Subscriber:
        """Fields are the subscriber's; those with `subscription__` in front the subscription's."""
        own = {
            name.removeprefix("subscription__"): value
            for name, value in fields.items()
            if name.startswith("subscription__")
        }
        others = {f"subscriber__{k}": v for k, v in fields.items() if "subscription__" not in k}
        seen = {"opted_in_at": NOON - timedelta(days=5), "verified_at": NOON, **own}
        return SubscriptionFactory.create(brand=self.brand, **seen, **others).subscriber

    def run(self, *, at: datetime = NOON) -> RunFigures:
        minute = NOON + timedelta(minutes=next(self._minutes))
        return running.run(brand_id=self.brand.pk, minute=minute, at=at)

    def reserved(self) -> list[SentText]:
        return list(SentText.objects.filter(brand=self.brand).order_by("local_day", "id"))

    def end(self, state: SentText.State, *texts: SentText, at: datetime = NOON) -> None:
        """Settles texts as if they had been called."""
        for text in texts:
            SentText.objects.filter(local_day=text.local_day, id=text.pk).update(
                state=state,
                calling_at=at,
                settled_at=at,
                sent_at=at if state == SentText.State.SENT else None,
                reason="" if state == SentText.State.SENT else "a test",
            )
