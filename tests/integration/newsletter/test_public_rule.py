"""Who may ask without a key, what browsers are told, and whose allowance a call takes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from apps.brands import keys
from apps.newsletter import counting
from apps.newsletter.models import JoiningRules, JoinRequest
from apps.newsletter.origins import known_origins
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ContactFactory
from tests.integration.newsletter.conftest import ORIGIN

if TYPE_CHECKING:
    from tests.integration.newsletter.conftest import Door

OTHER = "https://other.example"
ALLOWED = "Access-Control-Allow-Origin"
POSTS = ("subscribe", "contact")
EVERY = ("subscribe", "contact", "confirm", "preferences", "unsubscribe", "welcome",
         "transactional", "job-lifecycle", "count")  # fmt: skip


@pytest.fixture
def other(door: Door) -> JoiningRules:
    """Another brand, with pages of its own."""
    brand = BrandFactory.create(slug="other")
    rules = JoiningRules.objects.create(brand=brand, origins=[OTHER])
    known_origins.forget()
    return rules


@pytest.mark.parametrize(
    ("slug", "origin", "allowed"),
    [
        ("harbour", ORIGIN, True),
        ("harbour", OTHER, False),
        ("harbour", "", False),
        ("harbour", "null", False),
        ("other", ORIGIN, False),
        ("nobody", ORIGIN, False),
    ],
)
def test_brand_and_origin_must_belong_together(
    door: Door, other: JoiningRules, slug: str, origin: str, *, allowed: bool
) -> None:
    answer = door.post("subscribe", {"brand": slug, "email": "a@people.example"}, origin=origin)

    assert answer.status == (202 if allowed else 403)
    assert JoinRequest.objects.exists() is allowed
    if not allowed:
        assert answer.body["name"] == "origin_not_allowed"


def test_key_needs_no_origin_but_its_scope_and_its_brand(door: Door, other: JoiningRules) -> None:
    body = {"email": "a@people.example"}
    reader = keys.issue(brand=door.brand, name="r", scopes=["topics:read"], by="test").token

    by_key = door.post("subscribe", body, by_key=True)
    of_other = door.post("subscribe", {**body, "brand": "other"}, by_key=True)
    unscoped = door.post("subscribe", body, by_key=True, authorization=f"Bearer {reader}")
    broken = door.post("subscribe", {**body, "brand": "harbour"}, authorization="Bearer x")

    assert [one.status for one in (by_key, of_other, unscoped, broken)] == [202, 422, 403, 401]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", EVERY)
def test_browsers_may_ask_from_pages_of_the_list(door: Door, path: str, slash: str) -> None:
    path += slash

    known = door.ask("OPTIONS", path, access_control_request_method="POST")
    unknown = door.ask("OPTIONS", path, origin="https://evil.example")

    assert (known.status, known.headers[ALLOWED]) == (204, ORIGIN)
    assert ("GET" if "count" in path else "POST") in known.headers["Access-Control-Allow-Methods"]
    assert "x-email-action" in known.headers["Access-Control-Allow-Headers"]
    assert (unknown.status, unknown.headers.get(ALLOWED)) == (204, None)
    assert "Origin" in known.headers["Vary"]


def test_answers_are_readable_for_the_brands_own_pages_only(
    door: Door, other: JoiningRules
) -> None:
    body = {"email": "a@people.example"}

    own = door.post("subscribe", {**body, "brand": "harbour"})
    refused = door.post("subscribe", {"brand": "harbour", "email": "x"})
    foreign = door.post("subscribe", body, by_key=True, origin=OTHER)

    assert [one.headers.get(ALLOWED) for one in (own, refused, foreign)] == [ORIGIN, ORIGIN, None]


@pytest.mark.parametrize("slash", ["", "/"])
def test_paths_work_with_and_without_a_slash(door: Door, slash: str) -> None:
    body = {"brand": "harbour", "email": "a@people.example", "message": "x"}

    assert door.post(f"contact{slash}", body).status == 202


def test_clients_are_counted_by_address_and_mail_never_shares_with_sign_ups(
    door: Door, settings: Any
) -> None:
    settings.RATE_BUCKETS = {
        **settings.RATE_BUCKETS,
        "email": (0.001, 2),
        "email-client": (0.001, 1),
        "transactional": (100.0, 100),
    }
    page = [
        door.subscribe(
            f"p{n}@people.example",
        )
        for n in range(2)
    ]
    door.client.defaults["HTTP_X_FORWARDED_FOR"] = "198.51.100.77"
    elsewhere = door.subscribe("q@people.example")
    body = {"email": "k@people.example"}
    program = [door.post("subscribe", body, by_key=True) for _ in range(3)]
    mail = door.post("transactional", {"to": "k@people.example", "template": "x"}, by_key=True)

    assert [one.status for one in page] == [202, 429]
    assert int(page[1].headers["Retry-After"]) > 0
    assert page[1].body["name"] == "rate_limit_exceeded"
    assert elsewhere.status == 202
    assert [one.status for one in program] == [202, 202, 429]
    assert mail.status == 422  # refused for its template, not for its number


# --- The count ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "shown"), [(0, 0), (9, 0), (10, 10), (37, 30), (99, 90), (104, 100), (4711, 4700)]
)
def test_count_is_rounded_down_to_two_figures(number: int, shown: int) -> None:
    assert counting.rounded(number) == shown


def test_count_tells_nothing_of_somebody_who_joins_now(door: Door) -> None:
    cache.clear()
    before = timezone.now() - timedelta(days=2)
    for number in range(19):
        ContactFactory.create(
            brand=door.brand,
            email=f"p{number}@people.example",
            status="subscribed",
            status_changed_at=before,
        )
    first = door.ask("GET", "count?brand=harbour")
    ContactFactory.create(brand=door.brand, email="victim@people.example", status="subscribed")
    cache.clear()
    second = door.ask("GET", "count?brand=harbour", origin="")

    assert (first.status, first.body) == (200, {"object": "count", "subscribers": 10})
    assert second.body == first.body
    assert first.headers["Cache-Control"] == "public, max-age=60"


def test_count_is_kept_for_a_minute_and_may_be_withheld(
    door: Door, django_assert_num_queries: Any
) -> None:
    cache.clear()
    door.ask("GET", "count?brand=harbour")
    with django_assert_num_queries(2):  # the brand and its rules
        door.ask("GET", "count?brand=harbour")
    door.change(shows_count=False)

    assert door.ask("GET", "count?brand=harbour").status == 403
    assert door.ask("GET", "count", by_key=True).status == 200
    assert door.ask("GET", "count?brand=harbour", origin=OTHER).status == 403
