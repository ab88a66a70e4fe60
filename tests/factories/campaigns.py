"""Campaigns: drafts that nothing stands against, once there are people."""

from __future__ import annotations

from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.campaigns.models import Campaign
from tests.factories.brands import SenderFactory
from tests.factories.mail import TemplateFactory


class CampaignFactory(DjangoModelFactory[Campaign]):
    class Meta:
        model = Campaign

    slug = Sequence(lambda n: f"campaign-{n}")
    name = Sequence(lambda n: f"Campaign {n}")
    sender = SubFactory(SenderFactory)
    brand = SelfAttribute("sender.brand")
    template = SubFactory(TemplateFactory, brand=SelfAttribute("..brand"))
    audience = LazyFunction(lambda: {"everyone": True})
