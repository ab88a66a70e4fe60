"""Codes of tracked links."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from apps.sms.tracking import codes
from apps.sms.tracking.codes import Target, decode, encode


def targets(count: int) -> list[Target]:
    draw = random.Random(20)
    return [
        Target(
            draw.randrange(1 << draw.randint(1, 38)),
            date(2026, 1, 1) + timedelta(days=draw.randrange(9000)),
            draw.randrange(16),
        )
        for _ in range(count)
    ]


def test_a_code_names_its_text_and_link() -> None:
    for target in targets(500):
        code = encode(target)

        assert len(code) == 12
        assert code.isascii()
        assert code.isalnum()
        assert decode(code) == target


def test_neighbours_have_nothing_in_common() -> None:
    made = [encode(Target(1000 + n, date(2026, 11, 22), 0)) for n in range(200)]

    assert len({code[:4] for code in made}) > 190


def test_guesses_fail() -> None:
    draw = random.Random(20)
    code = encode(Target(7, date(2026, 11, 22), 1))
    near = {code[:n] + letter + code[n + 1 :] for n in range(12) for letter in "aZ9"} - {code}
    guesses = {"".join(draw.choices(codes._ALPHABET, k=12)) for _ in range(3000)}

    assert [decode(one) for one in near | guesses].count(None) >= len(near | guesses) - 2


@pytest.mark.parametrize(
    "code", ["", "short", "x" * 13, "z" * 12, "../../etc/pa", "aaaaaaaaaaa\u00e9"]
)
def test_what_is_no_code(code: str) -> None:
    assert decode(code) is None


def test_old_keys_go_on_being_read(settings: Any) -> None:
    target = Target(7, date(2026, 11, 22), 1)
    settings.LINK_KEYS = {1: b"a" * 32}
    codes._round_keys.cache_clear()
    code = encode(target)

    settings.LINK_KEYS = {1: b"a" * 32, 2: b"b" * 32}
    assert decode(code) == target
    assert encode(target) != code

    settings.LINK_KEYS = {2: b"b" * 32}
    assert decode(code) is None
    codes._round_keys.cache_clear()


def test_encode_refuses_what_has_no_room() -> None:
    for wrong in (Target(1 << 38, date(2026, 1, 1), 0), Target(1, date(2019, 1, 1), 0),
                  Target(1, date(2026, 1, 1), 16)):  # fmt: skip
        with pytest.raises(ValueError, match="no room"):
            encode(wrong)
