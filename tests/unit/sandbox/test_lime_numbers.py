from __future__ import annotations

import phonenumbers
import pytest

from apps.sandbox.lime.numbers import CAPACITY, made_up, normal, place_of


@pytest.mark.parametrize("place", [0, 1, 23, 24, 999_999, 12_345_678, CAPACITY - 1])
def test_made_up_number_is_valid_and_leads_back_to_its_place(place: int) -> None:
    mobile = made_up(place)

    assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{mobile}"))
    assert place_of(mobile) == place


def test_made_up_numbers_differ() -> None:
    assert len({made_up(place) for place in range(50_000)}) == 50_000


@pytest.mark.parametrize("mobile", ["447911123456", "12125", "19995550100", "12122110000", ""])
def test_number_that_is_not_made_up_has_no_place(mobile: str) -> None:
    assert place_of(mobile) is None


@pytest.mark.parametrize(
    ("given", "mobile"),
    [
        ("2125550100", "12125550100"),
        ("12125550100", "12125550100"),
        ("+12125550100", "12125550100"),
        (" 447911123456 ", "447911123456"),
        ("555-0100", None),
        ("123", None),
        ("", None),
        ("1" * 16, None),
    ],
)
def test_number_is_read_as_the_log_has_it(given: str, mobile: str | None) -> None:
    assert normal(given) == mobile
