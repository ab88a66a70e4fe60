"""What a template may see of a recipient: plain data, copied, nothing with behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apps.mail.rendering.dates import Clock
from apps.mail.rendering.problems import ContextProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 6
MAX_VALUES = 5_000
MAX_CHARACTERS = 400_000
MAX_NUMBER_BITS = 128

_AS_THEY_ARE = frozenset((str, float, bool, type(None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientContext:
    """All that one mail is made from. Rendering it twice gives the same bytes.

    `contact` has what the caller gives (email, first_name, last_name, locale, ...); every key
    should be there, with "" or None where nothing is known. `traits` are its free attributes,
    seen as `traits.x` and `contact.traits.x`. `brand` has name, postal_address, website, ...;
    `campaign` has name. `variables` are the free ones of a single mail, seen as `variables.x`.
    `now` (aware) is what “now” and “today” mean, `timezone` (IANA name) where dates are shown.
    """

    contact: Mapping[str, Any]
    now: datetime
    traits: Mapping[str, Any] = field(default_factory=dict)
    brand: Mapping[str, Any] = field(default_factory=dict)
    campaign: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    unsubscribe_url: str = ""
    preferences_url: str = ""
    timezone: str = "UTC"

    def clock(self) -> Clock:
        """Raises `ContextProblem` for a naive instant or an unknown zone."""
        if self.now.tzinfo is None:
            raise ContextProblem(path="now", message="must have a time zone (an aware datetime)")
        return Clock(now=self.now, zone=_zone(self.timezone))

    def namespace(self, clock: Clock) -> dict[str, object]:
        """The names a template sees, as fresh plain data. Raises `ContextProblem`."""
        copier = _Copier()
        traits = copier.mapping(self.traits, "traits", 1)
        contact = copier.mapping(self.contact, "contact", 1)
        contact["traits"] = traits
        local = clock.local
        return {
            "contact": contact,
            "traits": traits,
            "brand": copier.mapping(self.brand, "brand", 1),
            "campaign": copier.mapping(self.campaign, "campaign", 1),
            "variables": copier.mapping(self.variables, "variables", 1),
            "unsubscribe_url": copier.value(self.unsubscribe_url, "unsubscribe_url", 1),
            "preferences_url": copier.value(self.preferences_url, "preferences_url", 1),
            "now": local.isoformat(timespec="seconds"),
            "today": local.date().isoformat(),
        }


class _Copier:
    """Copies plain data and counts it, so that a huge trait cannot slow a million mails."""

    __slots__ = ("characters", "values")

    def __init__(self) -> None:
        self.values = MAX_VALUES
        self.characters = MAX_CHARACTERS

    def mapping(self, source: Mapping[Any, Any], path: str, depth: int) -> dict[str, object]:
        self._count(len(source), path)
        copy: dict[str, object] = {}
        for key, value in source.items():
            if type(key) is not str:
                raise ContextProblem(path=path, message=f"the key {key!r} must be text")
            # Most values are short texts: they skip the call.
            if type(value) is str and len(value) < 256:  # noqa: PLR2004 - short
                copy[key] = value
            else:
                copy[key] = self.value(value, f"{path}.{key}", depth + 1)
        return copy

    def value(self, value: object, path: str, depth: int) -> object:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            if kind is str:
                self._count_text(value, path)  # type: ignore[arg-type]  # kind says it is
            return value
        return self._converted(value, path, depth)

    def _converted(self, value: object, path: str, depth: int) -> object:
        if isinstance(value, str):
            # Also for subclasses: text that calls itself safe would not be escaped.
            return self.value(str.__str__(value), path, depth)
        if isinstance(value, int):
            return _bounded(value, path)
        if isinstance(value, float | Decimal):
            return float(value)
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        return self._collection(value, path, depth)

    def _collection(self, value: object, path: str, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise ContextProblem(path=path, message=f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            return self.mapping(value, path, depth)
        if isinstance(value, list | tuple):
            self._count(len(value), path)
            return [
                self.value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)
            ]
        raise ContextProblem(
            path=path,
            message=f"a {type(value).__name__} cannot go into a template; give text, a number,"
            " true or false, a date, a list or a dict of these",
        )

    def _count(self, values: int, path: str) -> None:
        self.values -= values
        if self.values < 0:
            raise ContextProblem(path=path, message=f"more than {MAX_VALUES:,} values in all")

    def _count_text(self, text: str, path: str) -> None:
        self.characters -= len(text)
        if self.characters < 0:
            raise ContextProblem(
                path=path, message=f"more than {MAX_CHARACTERS:,} characters of text in all"
            )


def _bounded(value: int, path: str) -> int:
    if value.bit_length() > MAX_NUMBER_BITS:
        raise ContextProblem(path=path, message="the number has more than 38 digits")
    return int(value)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ContextProblem(
            path="timezone", message=f"{name!r} is no IANA time zone such as 'Europe/Berlin'"
        ) from None
