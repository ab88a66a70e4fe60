from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from django.utils.safestring import mark_safe
from markupsafe import Markup

from apps.mail.rendering import ContextProblem
from tests.unit.mail.rendering.writing import NOW, html_of, line, recipient


class Colour(StrEnum):
    RED = "red"


class Loud:
    def __html__(self) -> str:
        return "<b>loud</b>"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("text", "text"),
        (7, "7"),
        (1.5, "1.5"),
        (Decimal("2.50"), "2.5"),
        (True, "true"),
        (None, ""),
        (date(2026, 5, 1), "2026-05-01"),
        (datetime(2026, 5, 1, 8, tzinfo=UTC), "2026-05-01T08:00:00+00:00"),
        (Colour.RED, "red"),
        (("a", "b"), "ab"),
    ],
)
def test_plain_values_are_printed(value: object, printed: str) -> None:
    assert line("{{ traits.v }}", traits={"v": value}) == printed


@pytest.mark.parametrize("safe", [mark_safe("<b>"), Markup("<b>")])
def test_text_that_calls_itself_safe_is_escaped_all_the_same(safe: str) -> None:
    assert html_of("{{ traits.v }}", traits={"v": safe}) == "&lt;b&gt;"
    assert html_of("{{ traits.v.w[0] }}", traits={"v": {"w": [safe]}}) == "&lt;b&gt;"


@pytest.mark.parametrize("value", [Loud(), {1, 2}, b"x", lambda: 1, str])
def test_objects_are_refused_with_their_place(value: object) -> None:
    with pytest.raises(ContextProblem, match=r"^traits\.a\[1\]\.b: .* cannot go into a template"):
        line("-", traits={"a": [1, {"b": value}]})


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(ContextProblem, match=r"traits\.a: the key 1 must be text"):
        line("-", traits={"a": {1: 2}})


def nested(depth: int) -> Any:
    return "x" if depth == 0 else {"a": nested(depth - 1)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nested(7), "nested deeper than 6 levels"),
        (list(range(5001)), "more than 5,000 values"),
        (["x" * 1000] * 401, "more than 400,000 characters"),
        (10**39, "more than 38 digits"),
    ],
)
def test_too_much_data_is_refused(value: object, message: str) -> None:
    with pytest.raises(ContextProblem, match=message):
        line("-", traits={"a": value})


def test_given_data_is_not_changed() -> None:
    traits = {"list": [1, 2], "deep": {"a": [3]}}

    line("{% assign x = traits.list | concat: traits.deep.a %}{{ x }}", traits=traits)

    assert traits == {"list": [1, 2], "deep": {"a": [3]}}


def test_now_and_today_are_the_instant_in_the_zone() -> None:
    printed = line("{{ now }} {{ today }} {{ 'today' | date: '%F' }}", timezone="Asia/Tokyo")

    assert printed == "2026-03-02T08:30:00+09:00 2026-03-02 2026-03-02"


def test_naive_now_is_refused() -> None:
    with pytest.raises(ContextProblem, match="now: must have a time zone"):
        line("-", now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd"])
def test_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ContextProblem, match="is no IANA time zone"):
        line("-", timezone=name)


def test_context_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        recipient().timezone = "UTC"  # type: ignore[misc]  # that is the test
