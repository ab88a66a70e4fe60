"""Requests made from the OpenAPI document, from pages, programs and strangers: nothing breaks.

`API_TEST_REQUESTS=10000 make test ARGS="-k generated"` sends that many; some hundred otherwise.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from apps.mail.links import LinkTarget, Purpose, make_token
from apps.newsletter import confirm_links, join_requests
from apps.newsletter.models import MailAction, OptIn
from config.wsgi import application
from tests.factories.contacts import ContactFactory
from tests.factories.mail import TemplateFactory
from tests.integration.api.test_generated import CHECKS
from tests.integration.newsletter.conftest import ORIGIN

if TYPE_CHECKING:
    from schemathesis import Case

    from tests.integration.newsletter.conftest import Door

REQUESTS = int(os.environ.get("API_TEST_REQUESTS", "120"))
OURS = frozenset(
    f"/api/email/{name}"
    for name in (
        "subscribe", "confirm", "preferences", "unsubscribe", "welcome", "transactional",
        "job-lifecycle", "count", "contact",
    )
)  # fmt: skip


@dataclass
class Visitors:
    """A page of the brand, a program with a key, and somebody with neither."""

    door: Door
    tokens: dict[str, str]
    chance: random.Random = field(default_factory=lambda: random.Random(20261122))
    statuses: dict[int, int] = field(default_factory=dict)

    def send(self, case: Case[Any]) -> None:
        self._aim(case)
        for name in ("Authorization", "Origin"):
            case.headers.pop(name, None)
        headers = self.chance.choice(
            ({"Origin": ORIGIN}, {"Authorization": f"Bearer {self.door.token}"}, {})
        )
        response = case.call(headers=headers)
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS)

    def _aim(self, case: Case[Any]) -> None:
        """Half of the requests name what is there."""
        if self.chance.random() < 0.5:
            return
        token = self.tokens.get(case.path.rsplit("/", 1)[1])
        known: dict[str, Any] = {"brand": "harbour", "token": token, "to": "anna@people.example",
                 "email": "ben@people.example", "template": "hello", "topics": [],
                 "idempotency_key": None}  # fmt: skip
        if case.path.endswith("subscribe"):  # few others would get through all its fields
            case.body = {"brand": "harbour", "email": "ben@people.example"}
        if isinstance(case.body, dict):
            case.body.update({name: value for name, value in known.items() if name in case.body})
        if case.path.endswith("job-lifecycle"):
            case.headers["X-Email-Action"] = "greet"
        if case.query and "token" in case.query:
            case.query["token"] = token
        if case.query and "brand" in case.query:
            case.query["brand"] = "harbour"


@pytest.fixture
def visitors(door: Door) -> Visitors:
    contact = ContactFactory.create(brand=door.brand, email="anna@people.example")
    template = TemplateFactory.create(brand=door.brand, slug="hello")
    door.change(welcome_template=template, contact_forward_to="desk@harbour.example")
    MailAction.objects.create(rules=door.rules, action="greet", template=template)
    door.join("cleo@people.example")
    opt_in = OptIn.objects.get()
    target = LinkTarget(contact.pk, 0, 0)
    tokens = {
        "confirm": confirm_links.make_token(
            confirm_links.ConfirmTarget(opt_in.contact_id, opt_in.asked_at)
        ),
        "preferences": make_token(target, Purpose.PREFERENCES),
        "unsubscribe": make_token(target),
    }
    return Visitors(door, tokens)


# As a web server would: each request closes what it opened.
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(max(300, 2 * REQUESTS))  # seconds, on a machine that others use too
def test_generated_requests_meet_the_document(visitors: Visitors, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "http://localhost"
    settings.CONTACT_FORM_HOURLY = 1_000_000
    schema = schemathesis.openapi.from_wsgi("/api/schema", application)
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    operations = [one for one in found if one.path in OURS]
    assert {one.path for one in operations} == OURS

    for operation in operations:
        _try(visitors, operation, times=max(2, REQUESTS // len(operations)))
    join_requests.work_joins(turn_seconds=60)

    print(f"\n{sum(visitors.statuses.values())} requests: {sorted(visitors.statuses.items())}")
    assert sum(visitors.statuses.values()) >= REQUESTS // 2
    assert {200, 202, 403, 422} <= set(visitors.statuses)


def _try(visitors: Visitors, operation: Any, *, times: int) -> None:
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @seed(20261122)
    @settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def send(case: Case[Any]) -> None:
        visitors.send(case)

    send()
