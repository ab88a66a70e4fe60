"""Brands, provider accounts and senders."""

from __future__ import annotations

from datetime import UTC, datetime

from factory.declarations import LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.brands.models import Brand, ProviderAccount, Sender


class BrandFactory(DjangoModelFactory[Brand]):
    class Meta:
        model = Brand

    slug = Sequence(lambda n: f"brand-{n}")
    name = Sequence(lambda n: f"Brand {n}")
    postal_address = "1 Harbour Street, 20457 Hamburg, Germany"
    website = "https://brand.example"


class ProviderAccountFactory(DjangoModelFactory[ProviderAccount]):
    """Its limit is as good as lifted, so that nothing waits."""

    class Meta:
        model = ProviderAccount

    name = Sequence(lambda n: f"account-{n}")
    api_key = Sequence(lambda n: f"re_account_{n}")
    rate_limit = 100_000


class SenderFactory(DjangoModelFactory[Sender]):
    """Verified a moment ago, so that nobody asks the provider."""

    class Meta:
        model = Sender

    brand = SubFactory(BrandFactory)
    account = SubFactory(ProviderAccountFactory)
    name = "The Editors"
    email = Sequence(lambda n: f"news{n}@brand.example")
    verified_at = LazyFunction(lambda: datetime.now(tz=UTC))
