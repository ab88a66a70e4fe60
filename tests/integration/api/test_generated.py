"""Requests made from the OpenAPI document: nothing breaks, nothing is undocumented, nothing leaks.

`API_TEST_REQUESTS=10000 make test ARGS="-k generated"` sends that many; a few hundred otherwise.
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
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.campaigns import planning
from config.wsgi import application
from tests.integration.api.conftest import House, caller, furnish

if TYPE_CHECKING:
    from schemathesis import Case

REQUESTS = int(os.environ.get("API_TEST_REQUESTS", "350"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What the paths name, and which kind of thing it is there.
KINDS = ("senders", "contacts", "topics", "suppressions", "templates", "campaigns")


@dataclass
class Town:
    """Two brands, their callers, and one who has no key; with ids that are worth asking for."""

    houses: tuple[House, House]
    tokens: tuple[str, str]
    chance: random.Random = field(default_factory=lambda: random.Random(20261122))
    statuses: dict[int, int] = field(default_factory=dict)

    def send(self, case: Case[Any]) -> None:
        """As one of the three, about an object of one of the two or about none."""
        self._aim(case)
        who = self.chance.choice((0, 0, 1, 1, None))
        headers = {} if who is None else {"Authorization": f"Bearer {self.tokens[who]}"}
        case.headers.pop("Authorization", None)
        response = case.call(headers=headers)
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS)
        self._insist_on_privacy(response.content.decode(errors="replace"), who)
        if who is None:
            assert response.status_code in (401, 404, 405)  # a path that leads nowhere has no lock

    def _aim(self, case: Case[Any]) -> None:
        """Half of the ids are of things that are there, of either brand."""
        kind = next((kind for kind in KINDS if f"/{kind}/" in case.path), None)
        if kind is not None and self.chance.random() < 0.7:
            house = self.chance.choice(self.houses)
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, house.ids[kind])

    def _insist_on_privacy(self, text: str, who: int | None) -> None:
        for index, house in enumerate(self.houses):
            if index != who:
                assert house.mark not in text


def _town() -> Town:
    houses = furnish("alphaqx"), furnish("bravoqx")
    callers = [caller(house.brand) for house in houses]
    for house, one in zip(houses, callers, strict=True):
        _launch_another(house, one)
    return Town(houses, (callers[0].token, callers[1].token))


def _launch_another(house: House, one: Any) -> None:
    copy = one.post(f"campaigns/{house.ids['campaigns']}/duplicate").body
    one.post(f"campaigns/{copy['id']}/launch")
    planning.plan_audience(campaign_id=copy["id"])


@pytest.fixture
def operations(settings: Any) -> list[Any]:
    settings.PUBLIC_BASE_URL = "http://localhost"
    schema = schemathesis.openapi.from_wsgi("/api/schema", application)
    found = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        found.append(result.ok())
    return [one for one in found if _is_ours(one.path)]


def _is_ours(path: str) -> bool:
    return path == "/api/brand" or path.split("/")[2] in KINDS


@pytest.mark.timeout(max(300, 2 * REQUESTS))  # seconds, on a machine that others use too
@pytest.mark.django_db(transaction=True)
def test_generated_requests_meet_the_document(operations: list[Any]) -> None:
    town = _town()
    each = max(2, REQUESTS // len(operations))

    for operation in operations:
        _try(town, operation, times=each)

    print(f"\n{sum(town.statuses.values())} requests: {sorted(town.statuses.items())}")
    assert sum(town.statuses.values()) >= min(REQUESTS, each * len(operations)) // 2


def _try(town: Town, operation: Any, *, times: int) -> None:
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
        town.send(case)

    send()
