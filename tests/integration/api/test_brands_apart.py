"""What belongs to another brand is not there: not found, not forbidden, not in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import get_resolver

from apps.campaigns import planning
from apps.campaigns.models import Campaign
from apps.contacts.models import Contact, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.api.conftest import Caller, House

pytestmark = pytest.mark.django_db


def _detail_routes() -> Iterator[tuple[str, str]]:
    """Method and path of all that names an object, such as `post campaigns/{id}/launch`."""
    for pattern in _leaves(get_resolver().url_patterns):
        actions = getattr(pattern.callback, "actions", None) or {}
        text = str(pattern.pattern)
        resource = text.lstrip("^").partition("/")[0]
        if "<pk>" in text and resource in RESOURCES:
            rest = text.partition(")")[2].rstrip("$").replace("\\Z", "")
            for method in actions:
                yield method, f"{resource}/{{id}}{rest}"


RESOURCES = ("senders", "contacts", "topics", "suppressions", "templates", "campaigns")


def _leaves(patterns: Any) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _leaves(pattern.url_patterns)
        else:
            yield pattern


ROUTES = sorted(set(_detail_routes()))
# What each action would take; elsewhere an empty object is right.
BODIES: dict[str, dict[str, Any]] = {
    "suppressions/{id}/lift": {"note": "why"},
    "contacts/{id}/topics": {"topic": "alpha-news", "state": "opt_in"},
    "campaigns/{id}/test": {"addresses": ["a@b.example"]},
    "campaigns/{id}/schedule": {
        "at": "2100-01-01T09:00:00Z",
        "latest_start": "2100-01-01T10:00:00Z",
    },
}


def test_all_resources_have_routes() -> None:
    assert {path.partition("/")[0] for _, path in ROUTES} == set(RESOURCES)
    assert ("post", "campaigns/{id}/launch") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_object_of_another_brand_is_not_found(
    shop: Caller, other_house: House, method: str, path: str
) -> None:
    pk = other_house.ids[path.partition("/")[0]]
    body = BODIES.get(path, {}) if method in ("post", "patch") else None

    answer = shop(method, path.format(id=pk), body)

    assert (answer.status, answer.body["name"]) == (404, "not_found")


@pytest.mark.parametrize("resource", RESOURCES)
def test_lists_hold_the_own_brand_only(shop: Caller, other_house: House, resource: str) -> None:
    answer = shop.get(f"{resource}?limit=100")

    assert answer.status == 200
    assert len(answer.body["data"]) == 1
    assert other_house.mark not in answer.text


def test_contact_of_the_same_address_is_another_one(shop: Caller, other_house: House) -> None:
    answer = shop.post("contacts", {"email": "anna@bravo.example", "first_name": "Anna"})

    assert answer.status == 201
    assert answer.body["id"] != other_house.ids["contacts"]
    assert Contact.objects.get(pk=other_house.ids["contacts"]).first_name == "bravo"


def test_topics_of_another_brand_cannot_be_named(
    shop: Caller, house: House, other_house: House
) -> None:
    topic = Topic.objects.get(pk=other_house.ids["topics"])

    chosen = shop.post(
        f"contacts/{house.ids['contacts']}/topics", {"topic": topic.slug, "state": "opt_in"}
    )

    assert chosen.status == 422
    assert shop.get(f"contacts?topic={topic.slug}").body["data"] == []


def test_audience_counts_nobody_of_another_brand(
    shop: Caller, house: House, other_house: House
) -> None:
    path = f"campaigns/{house.ids['campaigns']}"
    shop.post(f"{path}/launch")
    planning.plan_audience(campaign_id=house.ids["campaigns"])

    answer = shop.get(f"{path}/recipients")

    assert [one["email"] for one in answer.body["data"]] == ["anna@alpha.example"]
    assert Campaign.objects.get(pk=other_house.ids["campaigns"]).mailing is None
