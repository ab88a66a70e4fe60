"""How long a text is: segments as carriers count and bill them.

GSM 03.38 (GSM-7): 160 characters, or 153 in each part of a longer text; some characters take two.
One character that GSM-7 does not have makes the whole text UCS-2: 70 and 67 UTF-16 units, and
emojis take two. A character of two units is never cut in half, so a part may stay one unit short.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("\f^{}\\[~]|€")
_FIRST_BEYOND_ONE_UNIT = 0x10000


class Encoding(StrEnum):
    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


_ROOM = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


@dataclass(frozen=True, slots=True)
class Length:
    """`units` of the encoding, in `segments`, with `left` units free in the last of them.

    `forcing` has the characters that keep the text from being GSM-7, each once, at most ten.
    """

    encoding: Encoding
    units: int
    segments: int
    left: int
    forcing: str = ""


def measure(text: str) -> Length:
    """The length of a text as it is sent."""
    forcing = [one for one in text if one not in _GSM_BASIC and one not in _GSM_ESCAPED]
    if forcing:
        sizes = [1 if ord(one) < _FIRST_BEYOND_ONE_UNIT else 2 for one in text]
        return _counted(Encoding.UCS2, sizes, "".join(dict.fromkeys(forcing))[:10])
    return _counted(Encoding.GSM7, [2 if one in _GSM_ESCAPED else 1 for one in text], "")


def cost(*, segments: int, recipients: int, segment_price: Decimal) -> Decimal:
    """What so many texts of that length cost, in the currency of the price."""
    return (segment_price * segments * recipients).quantize(Decimal("0.01"))


def _counted(encoding: Encoding, sizes: list[int], forcing: str) -> Length:
    alone, part = _ROOM[encoding]
    units = sum(sizes)
    if units <= alone:
        return Length(encoding, units, 1 if units else 0, alone - units, forcing)
    segments, left = _packed(sizes, part)
    return Length(encoding, units, segments, left, forcing)


def _packed(sizes: Iterable[int], part: int) -> tuple[int, int]:
    segments, left = 1, part
    for size in sizes:
        if size > left:
            segments, left = segments + 1, part
        left -= size
    return segments, left
