"""Segments as carriers count them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.sms.lengths import Encoding, cost, measure


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments", "left"),
    [
        ("", "GSM-7", 0, 0, 160),
        ("a" * 160, "GSM-7", 160, 1, 0),
        ("a" * 161, "GSM-7", 161, 2, 145),
        ("a" * 306, "GSM-7", 306, 2, 0),
        ("a" * 307, "GSM-7", 307, 3, 152),
        ("€" * 80, "GSM-7", 160, 1, 0),
        ("€" * 81, "GSM-7", 162, 2, 143),
        ("a" * 152 + "{" + "a" * 153, "GSM-7", 307, 3, 151),  # "{" does not fit the first part
        ("é" * 160, "GSM-7", 160, 1, 0),
        ("ê" * 70, "UCS-2", 70, 1, 0),
        ("ê" * 71, "UCS-2", 71, 2, 63),
        ("😀" * 35, "UCS-2", 70, 1, 0),
        ("😀" * 36, "UCS-2", 72, 2, 61),  # 33 fit a part of 67 units
        ("😀" * 67, "UCS-2", 134, 3, 65),
        ("^{}\\[~]|€\f", "GSM-7", 20, 1, 140),
        ("`", "UCS-2", 1, 1, 69),
    ],
)
def test_measure(text: str, encoding: str, units: int, segments: int, left: int) -> None:
    length = measure(text)

    assert (length.encoding, length.units, length.segments, length.left) == (
        encoding,
        units,
        segments,
        left,
    )


def test_measure_names_what_forces_ucs2() -> None:
    length = measure("It\u2019s \u201chere\u201d, it\u2019s 50 € off")

    assert length.encoding is Encoding.UCS2
    assert length.forcing == "\u2019\u201c\u201d"


def test_cost() -> None:
    price = Decimal("0.0125")

    assert cost(segments=2, recipients=40_000, segment_price=price) == Decimal("1000.00")
