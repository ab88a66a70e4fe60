"""How much a template may ask for, and the purse a rendering pays from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from apps.mail.rendering.problems import LimitReachedError


@dataclass(frozen=True)
class RenderLimits:
    """Bounds for one part of one mail. A real newsletter uses a tenth of each.

    A step is about a microsecond: one node or expression evaluated, one item of a list walked,
    64 characters given to a filter.
    """

    source_characters: int = 262_144
    tag_characters: int = 8_192
    tags: int = 3_000
    steps: int = 50_000
    written_characters: int = 1_000_000
    value_characters: int = 200_000
    value_items: int = 10_000
    number_bits: int = 128
    subject_characters: int = 255


DEFAULT_LIMITS = RenderLimits()
_CHARACTERS_PER_STEP = 64


class Budget:
    """What is left for one rendering. Every method raises `LimitReachedError` at the end of it."""

    __slots__ = ("characters", "limits", "steps")

    def __init__(self, limits: RenderLimits) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.characters = limits.written_characters

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise LimitReachedError(
                "this does too much work for one mail: loop over fewer items, or do less in them"
                f" (limit: {self.limits.steps} steps)"
            )

    def refuse_growth(self) -> NoReturn:
        raise LimitReachedError(
            f"the mail grows beyond {self.limits.written_characters:,} characters"
        )

    def admit(self, value: object) -> None:
        """Checks a value that goes into a filter or is kept under a name, and charges its size."""
        if isinstance(value, str):
            self.admit_size(len(value))
            if len(value) >= _CHARACTERS_PER_STEP:
                self.spend(len(value) // _CHARACTERS_PER_STEP)
        elif isinstance(value, list | tuple | range):
            self._admit_items(value)
        elif isinstance(value, int) and value.bit_length() > self.limits.number_bits:
            self._refuse("a number", self.limits.number_bits, "bits")

    def admit_size(self, characters: int) -> None:
        """Refuses a result before it is made, from its reckoned size."""
        if characters > self.limits.value_characters:
            self._refuse(f"a text of {characters:,} characters", self.limits.value_characters)

    def _admit_items(self, value: list[object] | tuple[object, ...] | range) -> None:
        count = _width(value) if isinstance(value, range) else _flat_length(value)
        if count > self.limits.value_items:
            self._refuse(f"a list of {count:,} items", self.limits.value_items, "items")
        self.spend(count)

    def _refuse(self, what: str, limit: int, unit: str = "characters") -> NoReturn:
        raise LimitReachedError(f"{what} is too large (limit: {limit:,} {unit})")


def _width(value: range) -> int:
    # len() overflows for ranges beyond 2**63.
    return max(value.stop - value.start, 0)


def _flat_length(value: list[object] | tuple[object, ...], depth: int = 5) -> int:
    """Filters flatten lists of lists up to five levels deep: what counts is the flat length."""
    return sum(
        _flat_length(item, depth - 1) if depth and isinstance(item, list | tuple) else 1
        for item in value
    )
