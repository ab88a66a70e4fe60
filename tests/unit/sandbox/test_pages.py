from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from apps.sandbox.resend.errors import ApiError
from apps.sandbox.resend.pages import page, rest_time


@dataclass(frozen=True)
class Item:
    id: str


ITEMS = [Item(name) for name in "abcdefg"]


def listed(query: str, *, default_limit: int | None = 3) -> tuple[str, bool]:
    def present(item: Item) -> dict[str, Any]:
        return {"id": item.id}

    answer = orjson.loads(page(query, ITEMS, present=present, default_limit=default_limit).body)
    assert answer["object"] == "list"
    return "".join(item["id"] for item in answer["data"]), answer["has_more"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("abc", True)),
        ("limit=2", ("ab", True)),
        ("limit=100", ("abcdefg", False)),
        ("limit=2&after=b", ("cd", True)),
        ("limit=2&after=e", ("fg", False)),
        ("after=g", ("", False)),
        ("limit=2&before=d", ("bc", True)),
        ("limit=5&before=c", ("ab", False)),
    ],
)
def test_page_is_chosen_by_limit_and_cursor(query: str, expected: tuple[str, bool]) -> None:
    assert listed(query) == expected


def test_page_without_any_limit_holds_all() -> None:
    assert listed("", default_limit=None) == ("abcdefg", False)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "after=z", "after=a&before=b"]
)
def test_bad_page_is_refused(query: str) -> None:
    with pytest.raises(ApiError) as caught:
        listed(query)

    assert caught.value.status == 422


def test_rest_time_is_in_the_form_of_the_api() -> None:
    assert rest_time(1_696_636_076.678) == "2023-10-06 23:47:56.678+00"
