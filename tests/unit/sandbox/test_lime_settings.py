from __future__ import annotations

from typing import Any

import pytest

from apps.sandbox.choices import SettingError
from apps.sandbox.lime.settings import FIELDS, Latency, Settings, Span
from apps.sandbox.lime.spoiling import latency_seconds


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("per_second", "0", 0),
        ("latency", "jittered", Latency.JITTERED),
        ("credits", "", None),
        ("refused", "2125550100=108", {"12125550100": 108}),
        ("refusal_rates", {"110": 0.5}, {110: 0.5}),
        ("lists", "71441=20000@5,7=0", {"71441": Span(20_000, 5), "7": Span(0)}),
        ("list_fault", "cut", "cut"),
        ("callback_method", "POST", "POST"),
    ],
)
def test_setting_is_read_from_text_and_json(name: str, given: object, value: Any) -> None:
    assert getattr(Settings().changed({name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("latencies", 1, "no such setting"),
        ("refused", "12125550100=999", "one of 101"),
        ("refused", "call me=108", "10 to 15 digits"),
        ("lists", "x=5", "digits"),
        ("lists", "1=999999999999", "at most"),
        ("list_fault", "broken", "one of"),
        ("callback_url", "https://127.0.0.1/", "speaks no TLS"),
    ],
)
def test_bad_setting_is_named_with_what_fits(name: str, given: object, expected: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        Settings().changed({name: given})

    assert expected in str(caught.value)


def test_every_setting_has_a_help_text_and_reads_its_own_default() -> None:
    defaults = Settings()

    for name, setting in FIELDS.items():
        default = getattr(defaults, name)
        assert setting.metadata["help"]
        assert getattr(defaults.changed({name: default}), name) == default


def test_jitter_has_the_shares_it_promises() -> None:
    settings = Settings(latency=Latency.JITTERED)

    drawn = [latency_seconds(settings, number) for number in range(10_000)]

    assert sum(0.150 <= one <= 0.200 for one in drawn) == pytest.approx(9_000, abs=150)
    assert sum(0.200 < one <= 0.500 for one in drawn) == pytest.approx(900, abs=120)
    assert drawn.count(1.5) == pytest.approx(100, abs=40)
