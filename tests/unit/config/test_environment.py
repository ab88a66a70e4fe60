from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from config.environment import Reader, SettingProblem

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = base64.b64encode(b"k" * 32).decode()


def reader(**variables: str) -> Reader:
    return Reader(variables)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: reader().url("DATABASE_URL", schemes=("postgres",)), "DATABASE_URL is not set"),
        (
            lambda: reader(DATABASE_URL="mysql://u:pw@h/d").url(
                "DATABASE_URL", schemes=("postgres", "postgresql")
            ),
            "DATABASE_URL has the scheme “mysql”; expected postgres://… or postgresql://…",
        ),
        (
            lambda: reader(X="maybe").flag("X", default=False),
            "X is “maybe”; expected true or false",
        ),
        (
            lambda: reader(X="-3").number("X", default=1, at_least=0),
            "X is “-3”; expected a number of at least 0",
        ),
        (
            lambda: reader(X="nan").number("X", default=1, at_least=0),
            "X is “nan”; expected a number",
        ),
        (
            lambda: reader(X="1.5").whole_number("X", default=1, at_least=0),
            "X is 1.5; expected a whole number",
        ),
        (lambda: reader(X="short").secret("X", at_least=40), "X has 5 characters; expected at"),
        (
            lambda: reader(X="blue").choice("X", options=("red", "green"), default="red"),
            "X is “blue”; expected one of green, red",
        ),
        (lambda: reader(X="1:abc").versioned_keys("X"), "X cannot be read; expected version:key"),
        (
            lambda: reader(X=f"1:{KEY},1:{KEY}").versioned_keys("X"),
            "X has a wrong entry for version 1",
        ),
    ],
)
def test_wrong_variable_is_named_with_what_was_found_and_expected(
    call: Callable[[], object], told: str
) -> None:
    with pytest.raises(SettingProblem) as caught:
        call()

    assert told in str(caught.value)


def test_url_error_does_not_show_the_password() -> None:
    with pytest.raises(SettingProblem) as caught:
        reader(DATABASE_URL="mysql://user:hunter2@host/db").url(
            "DATABASE_URL", schemes=("postgres",)
        )

    assert "hunter2" not in str(caught.value)


def test_versioned_keys_are_read_by_version() -> None:
    other = base64.b64encode(b"o" * 32).decode()

    keys = reader(X=f"1:{KEY}, 2:{other}").versioned_keys("X")

    assert keys == {1: b"k" * 32, 2: b"o" * 32}


def test_defaults_hold_where_nothing_is_set() -> None:
    empty = reader()

    assert empty.flag("X", default=True) is True
    assert empty.number("X", default=2.5, at_least=0) == 2.5
    assert empty.words("X", default=("a",)) == ["a"]
