"""Lists by cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.factories.contacts import ContactFactory

if TYPE_CHECKING:
    from tests.integration.api.conftest import Caller, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def ids(house: House) -> list[int]:
    """Newest first, with the one that was there."""
    added = [ContactFactory.create(brand=house.brand).pk for _ in range(4)]
    return [*reversed(added), house.ids["contacts"]]


def page(shop: Caller, query: str) -> tuple[list[int], bool]:
    body = shop.get(f"contacts?{query}").body
    assert body["object"] == "list"
    return [one["id"] for one in body["data"]], body["has_more"]


def test_pages_follow_each_other_without_gap_or_overlap(shop: Caller, ids: list[int]) -> None:
    assert page(shop, "limit=2") == (ids[:2], True)
    assert page(shop, f"limit=2&after={ids[1]}") == (ids[2:4], True)
    assert page(shop, f"limit=2&after={ids[3]}") == (ids[4:], False)


def test_pages_lead_back(shop: Caller, ids: list[int]) -> None:
    assert page(shop, f"limit=2&before={ids[4]}") == (ids[2:4], True)
    assert page(shop, f"limit=2&before={ids[2]}") == (ids[:2], False)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=٣", "limit"),
        ("after=99999999999999999999", "after"),
        ("before=x", "before"),
        ("after=1&before=2", "before"),
    ],
)
def test_wrong_cursor_is_refused(shop: Caller, query: str, field: str) -> None:
    answer = shop.get(f"contacts?{query}")

    assert answer.status == 422
    assert set(answer.body["errors"]) == {field}
