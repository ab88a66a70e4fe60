"""Two brands with something of everything, and callers with keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.test import Client

from apps.brands import keys
from apps.brands.models import Scope
from apps.contacts.models import SuppressionReason
from tests.factories.brands import BrandFactory, SenderFactory
from tests.factories.campaigns import CampaignFactory
from tests.factories.contacts import (
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)
from tests.factories.mail import TemplateFactory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.brands.models import ApiKey, Brand
    from apps.campaigns.models import Campaign

EVERY_SCOPE = tuple(Scope.values)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any
    text: str


class Caller:
    """A program with a key (or without one)."""

    def __init__(self, token: str = "", key: ApiKey | None = None) -> None:
        self.token = token
        self.key = key
        self._client = Client(raise_request_exception=False)

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """`idempotency_key="x"` becomes the header `idempotency-key: x`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = sent.pop("content-type", "application/json")
        if self.token:
            sent.setdefault("authorization", f"Bearer {self.token}")
        data = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        response = self._client.generic(
            method.upper(), f"/api/{path}", data, content_type=kind, headers=sent
        )
        text = response.content.decode()
        return Answer(
            response.status_code, orjson.loads(text) if text else None, response.headers, text
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self("get", path, None, raw=None, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("post", path, {} if body is None else body, raw=None, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        return self("patch", path, body, raw=None, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self("delete", path, None, raw=None, **headers)


def caller(brand: Brand, scopes: Iterable[str] = EVERY_SCOPE, *, name: str = "shop") -> Caller:
    issued = keys.issue(brand=brand, name=name, scopes=scopes, by="test")
    return Caller(issued.token, issued.key)


@dataclass(frozen=True)
class House:
    """A brand with one of everything; every text in it holds `mark`."""

    brand: Brand
    mark: str
    ids: dict[str, int]
    campaign: Campaign


def furnish(mark: str) -> House:
    brand = BrandFactory.create(name=f"{mark} Ltd", slug=f"{mark}-brand")
    sender = SenderFactory.create(brand=brand, email=f"news@{mark}.example", is_default=True)
    contact = ContactFactory.create(
        brand=brand, email=f"anna@{mark}.example", first_name=mark, traits={"note": mark}
    )
    topic = TopicFactory.create(brand=brand, slug=f"{mark}-news", name=mark)
    TopicSubscriptionFactory.create(contact=contact, topic=topic)
    suppression = SuppressionFactory.create(
        brand=brand, address=f"gone@{mark}.example", reason=SuppressionReason.BLOCKED
    )
    template = TemplateFactory.create(brand=brand, slug=f"{mark}-template")
    campaign = CampaignFactory.create(
        sender=sender, template=template, name=f"{mark} sale", slug=f"{mark}-sale"
    )
    ids = {
        "senders": sender.pk,
        "contacts": contact.pk,
        "topics": topic.pk,
        "suppressions": suppression.pk,
        "templates": template.pk,
        "campaigns": campaign.pk,
    }
    return House(brand, mark, ids, campaign)


@pytest.fixture(autouse=True)
def _generous_limits(settings: Any) -> None:
    settings.API_BURST = 100_000
    settings.API_REQUESTS_PER_SECOND = 100_000


@pytest.fixture
def house(db: None) -> House:
    return furnish("alpha")


@pytest.fixture
def other_house(db: None) -> House:
    return furnish("bravo")


@pytest.fixture
def shop(house: House) -> Caller:
    return caller(house.brand)
