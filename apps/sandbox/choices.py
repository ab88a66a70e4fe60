"""Reading one setting from a command line (text) or from JSON (typed) into its Python value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")


class SettingError(ValueError):
    """A setting has an unknown name or an unusable value; the text says which, and what fits."""


def read(name: str, parse: Callable[[object], T], value: object) -> T:
    """The value of what is called `name`; raises a SettingError that says what was expected."""
    try:
        return parse(value)
    except ValueError as error:
        raise SettingError(f"{name}: expected {error}, found {value!r}") from error


def whole(minimum: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and value.strip().lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise SettingError(f"a whole number from {minimum} up")
        return value

    return parse


def number(minimum: float, maximum: float = float("inf")) -> Callable[[object], float]:
    span = f"from {minimum:g} up" if maximum == float("inf") else f"from {minimum:g} to {maximum:g}"

    def parse(value: object) -> float:
        try:
            parsed = float(value) if isinstance(value, str | int | float) else float("nan")
        except ValueError:
            parsed = float("nan")
        if isinstance(value, bool) or not minimum <= parsed <= maximum:
            raise SettingError(f"a number {span}")
        return parsed

    return parse


def optional(parse: Callable[[object], T]) -> Callable[[object], T | None]:
    def parse_or_none(value: object) -> T | None:
        return None if value is None or value == "" else parse(value)

    return parse_or_none


_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def switch(value: object) -> bool:
    if isinstance(value, str):
        value = _SWITCH.get(value.lower())
    if not isinstance(value, bool):
        raise SettingError("on or off")
    return value


def one_of(*names: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise SettingError(f"one of {', '.join(names)}")
        return value

    return parse


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise SettingError("a text")
    return value


def pairs(
    key: Callable[[str], K], value: Callable[[object], T], *, form: str
) -> Callable[[object], dict[K, T]]:
    """A mapping, from a JSON object or from `key=value,key=value`."""

    def parse(given: object) -> dict[K, T]:
        try:
            return {key(name): value(part) for name, part in _items(given)}
        except ValueError as error:
            raise SettingError(f"{form} ({error})") from error

    return parse


def _items(given: object) -> Iterable[tuple[str, object]]:
    if isinstance(given, Mapping):
        return [(str(name), part) for name, part in given.items()]
    if not isinstance(given, str):
        raise SettingError(f"got {given!r}")
    split = [part.strip().partition("=") for part in given.split(",") if part.strip()]
    if missing := [name for name, sign, _ in split if not sign]:
        raise SettingError(f"{missing[0]!r} has no =")
    return [(name, part) for name, _, part in split]
