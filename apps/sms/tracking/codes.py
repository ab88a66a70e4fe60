"""The codes of tracked links: twelve characters that name a text and a link, and are not guessed.

Nothing is stored for them. A code is the text's id and day and the link's slot, enciphered as one
block of 70 bits (a Feistel network of keyed hashes) under LINK_KEYS. Fourteen of the bits are
zero, and few ids exist among all there could be: of 2^42 guesses one hits, with 300 million texts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 12
MOST_SLOTS = 1 << 4
_FIRST_DAY = date(2020, 1, 1)
_ID_BITS, _SLOT_BITS, _DAY_BITS, _ZERO_BITS = 38, 4, 14, 14
_HALF_BITS = (_ID_BITS + _SLOT_BITS + _DAY_BITS + _ZERO_BITS) // 2
_HALF = (1 << _HALF_BITS) - 1
_ROUNDS = 8
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}


@dataclass(frozen=True, slots=True)
class Target:
    """The link with this `slot` in the text `text_id` of `text_day`."""

    text_id: int
    text_day: date
    slot: int


def encode(target: Target) -> str:
    """Raises ValueError where a number has no room in the code."""
    day = (target.text_day - _FIRST_DAY).days
    if not (
        0 <= target.text_id < 1 << _ID_BITS
        and 0 <= target.slot < MOST_SLOTS
        and 0 <= day < 1 << _DAY_BITS
    ):
        raise ValueError("The text's id, its day or the link's slot has no room in a code.")
    plain = ((target.text_id << _SLOT_BITS | target.slot) << _DAY_BITS | day) << _ZERO_BITS
    return _written(_enciphered(plain, _round_keys(max(settings.LINK_KEYS))))


def decode(code: str) -> Target | None:
    """What the code names; None for one that we never made. Old keys go on being read."""
    block = _read(code)
    if block is None:
        return None
    for version in settings.LINK_KEYS:
        plain = _deciphered(block, _round_keys(version))
        if plain & ((1 << _ZERO_BITS) - 1) == 0:
            return _target(plain >> _ZERO_BITS)
    return None


def _target(plain: int) -> Target:
    day = plain & ((1 << _DAY_BITS) - 1)
    slot = plain >> _DAY_BITS & (MOST_SLOTS - 1)
    text_id = plain >> (_DAY_BITS + _SLOT_BITS)
    return Target(text_id, _FIRST_DAY + timedelta(days=day), slot)


def _enciphered(plain: int, keys: tuple[bytes, ...]) -> int:
    left, right = plain >> _HALF_BITS, plain & _HALF
    for key in keys:
        left, right = right, left ^ _mixed(right, key)
    return right << _HALF_BITS | left


def _deciphered(block: int, keys: tuple[bytes, ...]) -> int:
    right, left = block >> _HALF_BITS, block & _HALF
    for key in reversed(keys):
        left, right = right ^ _mixed(left, key), left
    return left << _HALF_BITS | right


def _mixed(half: int, key: bytes) -> int:
    mixed = hashlib.blake2b(half.to_bytes(5, "big"), key=key, digest_size=5).digest()
    return int.from_bytes(mixed, "big") & _HALF


@cache
def _round_keys(version: int) -> tuple[bytes, ...]:
    return tuple(_derived(settings.LINK_KEYS[version]))


def _derived(key: bytes) -> Iterator[bytes]:
    """Apart from what else the key signs."""
    for number in range(_ROUNDS):
        yield hashlib.blake2b(f"text link {number}".encode(), key=key, digest_size=32).digest()


def _written(block: int) -> str:
    letters = []
    for _ in range(LENGTH):
        block, value = divmod(block, len(_ALPHABET))
        letters.append(_ALPHABET[value])
    return "".join(reversed(letters))


def _read(code: str) -> int | None:
    if len(code) != LENGTH:
        return None
    block = 0
    for letter in code:
        value = _VALUES.get(letter)
        if value is None:
            return None
        block = block * len(_ALPHABET) + value
    return block if block < 1 << 2 * _HALF_BITS else None
