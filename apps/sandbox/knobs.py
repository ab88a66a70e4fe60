"""Reading settings that every stand-in has: faults, rates of outcomes, addresses to call back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from apps.sandbox.choices import SettingError, number, pairs, text, whole
from apps.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def about(parse: Callable[[object], object], help_: str) -> dict[str, Any]:
    """The metadata of a setting's field."""
    return {"parse": parse, "help": help_}


def rates(kinds: Callable[[str], T]) -> Callable[[object], dict[T, float]]:
    return pairs(kinds, number(0, 1), form="kind=rate,kind=rate with rates from 0 to 1")


def fault_rates(value: object) -> dict[FaultKind, float]:
    """How often each kind of fault happens; at most 1 in sum."""
    read = rates(FaultKind)(value)
    if sum(read.values()) > 1 + 1e-9:
        raise SettingError("rates that add up to at most 1")
    return read


def fault_script(value: object) -> dict[int, FaultKind]:
    """Faults by the number of the request, from 1."""
    return pairs(whole(1), _fault, form="n=kind,n=kind with n from 1")(value)


def _fault(value: object) -> FaultKind:
    return FaultKind(str(value))


def plain_url(value: object) -> str:
    parts = urlsplit(text(value))
    if parts.scheme != "http" or not parts.hostname:
        raise SettingError("an http:// URL (the stand-in speaks no TLS)")
    return text(value)
