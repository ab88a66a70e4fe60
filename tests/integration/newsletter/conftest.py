"""A brand that people join, pages and programs that ask, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.test import Client

from apps.brands import keys
from apps.brands.models import Scope
from apps.contacts.models import Contact
from apps.mail.models import Message
from apps.newsletter import join_requests
from apps.newsletter.models import JoiningRules
from apps.newsletter.origins import known_origins
from tests.factories.brands import BrandFactory, SenderFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.brands.models import Brand, Sender

ORIGIN = "https://www.harbour.example"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class Door:
    """What is in front of the newsletter: a page of the brand, and a program with a key."""

    brand: Brand
    sender: Sender
    rules: JoiningRules
    token: str = ""
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def ask(
        self, method: str, path: str, body: Any = None, *, by_key: bool = False, **headers: str
    ) -> Answer:
        """As the page, unless told; `origin=""` leaves the header out."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if by_key:
            sent.setdefault("authorization", f"Bearer {self.token}")
        else:
            sent.setdefault("origin", ORIGIN)
        sent = {name: value for name, value in sent.items() if value}
        data = b"" if body is None else orjson.dumps(body)
        response = self.client.generic(
            method, f"/api/email/{path}", data, content_type="application/json", headers=sent
        )
        text = response.content
        return Answer(response.status_code, orjson.loads(text) if text else None, response.headers)

    def post(self, path: str, body: Any, **how: Any) -> Answer:
        return self.ask("POST", path, body, **how)

    def subscribe(self, email: str, **more: Any) -> Answer:
        return self.post("subscribe", {"brand": self.brand.slug, "email": email, **more})

    def join(self, email: str, **more: Any) -> Contact | None:
        """Asks, and has the wish worked off; the contact that there is then."""
        answer = self.subscribe(email, **more)
        assert answer.status == 202, answer.body
        join_requests.work_joins()
        return Contact.objects.filter(brand=self.brand, address=email).first()

    def change(self, **fields: Any) -> None:
        """The brand's joining rules."""
        for name, value in fields.items():
            setattr(self.rules, name, value)
        self.rules.save()
        known_origins.forget()

    def mails(self) -> list[tuple[str, str]]:
        """Stream and address of each mail written down, the oldest first."""
        rows = Message.objects.select_related("mailing").order_by("pk")
        return [(one.mailing.name, one.address) for one in rows]


@pytest.fixture
def door(db: None, settings: Any) -> Iterator[Door]:
    """Double opt-in, as every brand has it at first; nobody is counted out."""
    settings.RATE_BUCKETS = dict.fromkeys(settings.RATE_BUCKETS, (100_000.0, 100_000))
    settings.API_BURST = settings.API_REQUESTS_PER_SECOND = 100_000
    brand = BrandFactory.create(slug="harbour", name="Harbour")
    sender = SenderFactory.create(brand=brand, is_default=True)
    rules = JoiningRules.objects.create(brand=brand, origins=[ORIGIN])
    issued = keys.issue(brand=brand, name="shop", scopes=Scope.values, by="test")
    known_origins.forget()
    yield Door(brand, sender, rules, issued.token)
    known_origins.forget()
