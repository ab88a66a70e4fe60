"""Traits as a table of names and values, and back."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.http import QueryDict

from apps.contacts.admin.traits import TraitsField, TraitsWidget

KNOWN = {"city": "Graz", "visits": 12, "tags": ["a", "b"], "vip": True, "zip": "0815"}


def clean(*rows: tuple[str, str]) -> dict[str, Any]:
    return TraitsField(initial=KNOWN).clean(list(rows))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("city", " Wien ", "Wien"),
        ("city", "12", "12"),
        ("zip", "0815", "0815"),
        ("visits", "13", 13),
        ("visits", "many", "many"),
        ("tags", '["a"]', ["a"]),
        ("vip", "false", False),
        ("new", "12", "12"),
    ],
)
def test_value_keeps_its_kind_where_it_can(key: str, text: str, value: Any) -> None:
    assert clean((key, text)) == {key: value}


def test_emptied_trait_goes_and_empty_rows_are_nothing() -> None:
    assert clean(("city", ""), ("", ""), ("visits", "12")) == {"visits": 12}


@pytest.mark.parametrize("rows", [[("", "x")], [("a", "1"), (" a ", "2")]])
def test_unclear_rows_are_told(rows: list[tuple[str, str]]) -> None:
    with pytest.raises(forms.ValidationError):
        clean(*rows)


def test_unchanged_table_gives_what_was_there() -> None:
    shown = TraitsWidget().get_context("traits", KNOWN, {})["widget"]["rows"]

    assert clean(*shown) == KNOWN


def test_posted_rows_are_read_in_pairs() -> None:
    posted = QueryDict("traits_key=a&traits_value=1&traits_key=b&traits_value=2")

    rows = TraitsWidget().value_from_datadict(posted, None, "traits")

    assert rows == [("a", "1"), ("b", "2")]
