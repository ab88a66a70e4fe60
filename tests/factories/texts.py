"""Subscribers whom nothing keeps from a text, and campaigns to choose from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.brands.models import ProviderAccount
from apps.sms import config
from apps.sms.models import (
    OptInList,
    Subscriber,
    Subscription,
    TextCampaign,
    TextConfig,
    TextMessage,
)
from tests.factories.brands import BrandFactory, ProviderAccountFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand


def _now() -> datetime:
    return datetime.now(tz=UTC)


class LimeAccountFactory(ProviderAccountFactory):
    kind = ProviderAccount.Kind.LIME
    username = "harbour"


class SubscriberFactory(DjangoModelFactory[Subscriber]):
    class Meta:
        model = Subscriber

    phone = Sequence(lambda n: f"+1212{5550000 + n}")
    timezone = "America/New_York"
    state = "NY"
    opted_in_at = LazyFunction(_now)


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    """Opted in and seen by a list sync a moment ago."""

    class Meta:
        model = Subscription

    subscriber = SubFactory(SubscriberFactory)
    brand = SubFactory(BrandFactory)
    opted_in_at = LazyFunction(_now)
    verified_at = LazyFunction(_now)


class TextCampaignFactory(DjangoModelFactory[TextCampaign]):
    class Meta:
        model = TextCampaign

    brand = SubFactory(BrandFactory)
    name = Sequence(lambda n: f"campaign {n}")
    state = TextCampaign.State.RUNNING


class TextMessageFactory(DjangoModelFactory[TextMessage]):
    class Meta:
        model = TextMessage

    campaign = SubFactory(TextCampaignFactory)
    brand = SelfAttribute("campaign.brand")
    body = "Hello {{ subscriber.first_name }}"


def open_sending(brand: Brand, **settings: Any) -> TextConfig:
    """Switches sending on for the station; `settings` go into the brand's row."""
    TextConfig.objects.update_or_create(brand=None, defaults={"sending": True})
    row, _ = TextConfig.objects.update_or_create(brand=brand, defaults=settings)
    config.forget()
    return row


class OptInListFactory(DjangoModelFactory[OptInList]):
    class Meta:
        model = OptInList

    brand = SubFactory(BrandFactory)
    account = SubFactory(LimeAccountFactory)
    list_id = Sequence(lambda n: f"{71441 + n}")
