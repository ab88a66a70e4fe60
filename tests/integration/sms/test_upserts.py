"""POST /api/subscribers: what is kept, what is refused, and who stays out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from apps.sms import erasing, leaving, zones
from apps.sms.models import KeyBrand, SubscribeFlag, Subscriber, Subscription
from tests.factories.brands import BrandFactory
from tests.integration.api.conftest import caller

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from apps.brands.models import Brand
    from tests.integration.api.conftest import Caller

PHONE = "+17325550100"
WHOLE = {
    "phone": "(732) 555-0100",
    "name": "Anna Park",
    "firstName": "Anna",
    "lastName": "Park",
    "email": "Anna@Example.com",
    "subscribe_wswd": True,
    "status": "ACTIVE",
    "hasClicked": True,
    "hasPurchased": True,
    "firstClickAt": "2025-01-02T03:04:05Z",
    "firstPurchaseAt": "2025-01-03T03:04:05+01:00",
    "totalClicks": 7,
    "totalPurchases": 2,
    "totalRevenue": 59.9,
    "last_engagement": "2025-02-02T03:04:05Z",
    "lastPurchaseAt": "2025-02-01T03:04:05Z",
    "acq_source": "google",
    "acq_campaign": "spring",
    "acq_medium": "cpc",
    "acq_term": "shoes",
    "acq_content": "blue",
    "form_title": "Join us",
    "traits": {"size": 9, "likes": ["red"]},
    "timezone": "America/Chicago",
}


@pytest.fixture(autouse=True)
def _generous_limits(settings: Any) -> None:
    settings.API_BURST = 100_000


@pytest.fixture
def wswd(db: None) -> Brand:
    brand = BrandFactory.create(slug="wswd")
    SubscribeFlag.objects.create(field="subscribe_wswd", brand=brand)
    return brand


@pytest.fixture
def ta(db: None) -> Brand:
    brand = BrandFactory.create(slug="ta")
    SubscribeFlag.objects.create(field="subscribe_ta", brand=brand)
    return brand


@pytest.fixture
def shop(wswd: Brand, ta: Brand) -> Caller:
    return caller(wswd)


def permission(brand: Brand) -> Subscription:
    return Subscription.objects.get(subscriber__phone=PHONE, brand=brand)


def test_one_with_all_fields_answers_in_the_known_shape(shop: Caller) -> None:
    answer = shop.post("subscribers", WHOLE)

    assert answer.status == 200
    assert answer.body["success"] is True
    shown = answer.body["subscriber"]
    same = set(WHOLE) - {"phone", "email", "firstPurchaseAt", "totalRevenue"}
    assert {name: shown[name] for name in same} == {name: WHOLE[name] for name in same}
    assert (shown["phone"], shown["email"], shown["state"]) == (PHONE, "anna@example.com", "NJ")
    assert shown["firstPurchaseAt"] == "2025-01-03T02:04:05Z"
    assert Decimal(str(shown["totalRevenue"])) == Decimal("59.90")
    assert Subscriber.objects.get().baseline_clicks == 7
    assert permission_is_active("wswd")


def permission_is_active(slug: str) -> bool:
    return Subscription.objects.get(brand__slug=slug).active


@pytest.mark.parametrize("body", [{}, {"name": "Anna"}, {"phone": ""}, {"phone": None}])
def test_without_phone(shop: Caller, body: dict[str, Any]) -> None:
    answer = shop.post("subscribers", body)

    assert (answer.status, answer.body) == (400, {"error": "Phone required"})


def test_absent_fields_stay_and_repetition_writes_nothing(shop: Caller) -> None:
    shop.post("subscribers", WHOLE)
    before = dict(Subscriber.objects.values().get())

    again = shop.post("subscribers", WHOLE)
    changed = shop.post("subscribers", {"phone": PHONE, "firstName": "Ann", "email": ""})

    after = dict(Subscriber.objects.values().get())
    assert again.body["subscriber"]["updated_at"] == changed.body["subscriber"]["created_at"]
    earlier, later = before.pop("updated_at"), after.pop("updated_at")
    assert isinstance(earlier, datetime)
    assert isinstance(later, datetime)
    assert later > earlier
    assert after == before | {"first_name": "Ann", "email": None}


def test_many_get_a_result_each(shop: Caller) -> None:
    answer = shop.post(
        "subscribers",
        [
            {"phone": PHONE, "firstName": "Anna"},
            {"name": "nobody"},
            {"phone": "12", "totalClicks": -1, "loves": "tea", "timezone": "Mars/Base"},
            {"phone": PHONE, "lastName": "Park"},
            "anna",
        ],
    )

    assert answer.status == 200
    assert answer.body["success"] is False
    one, two, three, four, five = answer.body["results"]
    assert one["success"]
    assert one["subscriber"]["id"] == four["subscriber"]["id"]
    assert four["subscriber"]["lastName"] == "Park"
    assert (two["index"], two["error"]) == (1, "Phone required")
    assert set(three["errors"]) == {"phone", "totalClicks", "loves", "timezone"}
    assert not five["success"]


def test_a_thousand_in_a_constant_number_of_statements(
    shop: Caller, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = [{"phone": f"+1732{5550000 + n}", "subscribe_wswd": True} for n in range(1000)]

    with django_assert_max_num_queries(16):
        first = shop.post("subscribers", people)
    with django_assert_max_num_queries(16):
        second = shop.post("subscribers", [{**one, "name": "x"} for one in people])

    assert [one["created"] for one in first.body["results"]] == [True] * 1000
    assert [one["created"] for one in second.body["results"]] == [False] * 1000
    assert Subscription.objects.filter(active=True).count() == 1000
    assert shop.post("subscribers", [*people, {"phone": "1"}]).status == 422


def test_foreign_brand_needs_a_grant(shop: Caller, ta: Brand) -> None:
    refused = shop.post("subscribers", {"phone": PHONE, "subscribe_ta": True})
    assert shop.key is not None
    KeyBrand.objects.create(api_key=shop.key, brand=ta, granted_by="test")
    granted = shop.post("subscribers", {"phone": PHONE, "subscriptions": {"ta": True}})

    assert (refused.status, set(refused.body["errors"])) == (422, {"subscribe_ta"})
    assert granted.body["subscriber"]["subscribe_ta"] is True
    assert not Subscription.objects.filter(brand__slug="wswd").exists()


def test_who_left_stays_out_without_a_fresh_opt_in(shop: Caller, wswd: Brand) -> None:
    shop.post("subscribers", WHOLE)
    leaving.opt_out_number(place=zones.locate(PHONE), brand_ids=None, source="STOP")
    old = {"at": "2025-01-01T00:00:00Z", "source": "checkout", "proof": "box ticked"}

    asked = shop.post("subscribers", WHOLE)
    stale = shop.post("subscribers", {**WHOLE, "opt_in": old})

    for answer in (asked, stale):
        assert answer.body["kept_out"] == ["status", "subscribe_wswd"]
        assert answer.body["subscriber"]["status"] == "OPTOUT"
    assert not permission(wswd).active

    fresh = {**old, "at": (datetime.now(tz=UTC) + timedelta(seconds=2)).isoformat()}
    back = shop.post("subscribers", {**WHOLE, "opt_in": fresh})

    assert "kept_out" not in back.body
    assert back.body["subscriber"]["status"] == "ACTIVE"
    again = permission(wswd)
    assert (again.active, again.source, again.proof) == (True, "checkout", "box ticked")
    assert again.verified_at is None


def test_leaving_one_brand_keeps_out_of_that_one(shop: Caller, wswd: Brand) -> None:
    shop.post("subscribers", WHOLE)
    shop.post("subscribers", {"phone": PHONE, "subscribe_wswd": False})

    answer = shop.post("subscribers", {"phone": PHONE, "subscribe_wswd": True})

    assert answer.body["kept_out"] == ["subscribe_wswd"]
    assert not permission(wswd).active


def test_optout_leaves_every_brand(shop: Caller, wswd: Brand) -> None:
    shop.post("subscribers", WHOLE)

    answer = shop.post("subscribers", {"phone": PHONE, "status": "OPTOUT", "subscribe_wswd": True})

    assert answer.body["kept_out"] == ["subscribe_wswd"]
    assert not permission(wswd).active
    assert Subscriber.objects.get().opted_out_at is not None


def test_other_brands_people_are_neither_read_nor_shown(shop: Caller, ta: Brand) -> None:
    other = caller(ta, name="other")
    other.post("subscribers", {"phone": PHONE, "name": "Secret", "subscribe_ta": True})
    found = Subscriber.objects.get()

    listed = shop.get("subscribers").body["data"]
    read = shop.get(f"subscribers/{found.pk}")
    posted = shop.post("subscribers", {"phone": PHONE, "acq_source": "x"})

    assert (listed, read.status) == ([], 404)
    assert "Secret" not in posted.text
    assert other.get(f"subscribers/{found.pk}").body["name"] == "Secret"
    assert [one["id"] for one in other.get("subscribers?phone=7325550100").body["data"]] == [
        found.pk
    ]


def test_erased_people_do_not_come_back(shop: Caller) -> None:
    shop.post("subscribers", WHOLE)
    erasing.erase_subscriber(subscriber_id=Subscriber.objects.get().pk, by="test")

    one = shop.post("subscribers", WHOLE)
    many = shop.post("subscribers", [WHOLE, {"phone": "+12125550100"}])

    assert one.status == 409
    assert [item["success"] for item in many.body["results"]] == [False, True]


def test_scopes(wswd: Brand) -> None:
    reader = caller(wswd, ["subscribers:read"], name="reader")

    assert reader.post("subscribers", {"phone": PHONE}).status == 403
    assert reader.get("subscribers").status == 200
