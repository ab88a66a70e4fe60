"""The words in which an operator says who is meant: plain JSON, read into frozen rules.

    {"topics": {"any": ["news"], "all": ["vip"], "none": ["partners"]},
     "traits": [{"trait": "plan", "is": "pro"}, {"trait": "age", "at_least": 18}],
     "exclude": {"topics": ["partners"], "traits": [{"trait": "country", "in": ["AT", "CH"]}],
                 "received": [12]}}

Everything that is said must hold. `{"everyone": true}` stands for all contacts of the brand, so
that nobody mails them by leaving something out. Who meets any of `exclude` stays in the audience
and is skipped as `excluded`, with a row that says so; `none` leaves people out without a row.

A trait has one test: `is` (text, number or true/false), `in` (a list of texts and numbers),
`contains` (a piece of a text, or an item of a list), `at_least`, `at_most` (a number or a day such
as "2026-05-31"), `exists` (true or false). Numbers and days are compared as such where the trait
can be read as one, also from text, because imported cells are text. Texts compare exactly. A
contact without the trait meets only `"exists": false`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from apps.campaigns.errors import InvalidAudienceError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TOPICS = 50
MOST_TRAIT_RULES = 50
MOST_CAMPAIGNS = 100
MOST_CHOICES = 1000
LONGEST_TEXT = 200
LARGEST_NUMBER = 10**15

_SLUG = re.compile(r"[A-Za-z0-9_-]{1,60}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Scalar = str | int | float | bool


class TraitTest(StrEnum):
    IS = "is"
    IN = "in"
    CONTAINS = "contains"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    EXISTS = "exists"


@dataclass(frozen=True)
class TraitRule:
    """One trait and one test. `value` is a tuple for `in`, a date for a day."""

    trait: str
    test: TraitTest
    value: Scalar | date | tuple[str | int | float, ...]


@dataclass(frozen=True)
class TopicRule:
    """Slugs: opted in to at least one of `any`, to each of `all`, to none of `none`."""

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exclusion:
    """Who meets one of these is skipped. `received` are ids of campaigns."""

    topics: tuple[str, ...] = ()
    traits: tuple[TraitRule, ...] = ()
    received: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audience:
    """Rules that were read without a fault."""

    everyone: bool = False
    topics: TopicRule = TopicRule()
    traits: tuple[TraitRule, ...] = ()
    exclude: Exclusion = Exclusion()

    @property
    def topic_slugs(self) -> frozenset[str]:
        rule = self.topics
        return frozenset((*rule.any, *rule.all, *rule.none, *self.exclude.topics))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the rules: where, what was found, what to write instead."""

    path: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; {self.fix}"


def parse(rules: object) -> Audience:
    """Reads the rules. Raises `InvalidAudienceError` with every fault, not only the first."""
    reader = _Reader()
    audience = reader.audience(rules)
    if reader.faults:
        raise InvalidAudienceError(reader.faults)
    return audience


@dataclass
class _Reader:
    """Walks the rules and collects faults; what it returns counts only where there are none."""

    faults: list[Fault] = field(default_factory=list)

    def audience(self, rules: object) -> Audience:
        parts = self._object(rules, "audience", ("everyone", "topics", "traits", "exclude"))
        audience = Audience(
            everyone=self._everyone(parts),
            topics=self._topics(parts.get("topics", {}), "audience.topics"),
            traits=self._traits(parts.get("traits", []), "audience.traits"),
            exclude=self._exclusion(parts.get("exclude", {}), "audience.exclude"),
        )
        self._insist_on_choice(audience, rules)
        return audience

    def _everyone(self, parts: dict[str, object]) -> bool:
        if "everyone" in parts and parts["everyone"] is not True:
            self._fault("audience.everyone", parts["everyone"], "write true, or leave it out")
        return parts.get("everyone") is True

    def _insist_on_choice(self, audience: Audience, rules: object) -> None:
        chosen = audience.topics != TopicRule() or bool(audience.traits)
        if audience.everyone and chosen:
            self._fault(
                "audience.everyone", True, "leave it out where topics or traits choose people"
            )
        elif not audience.everyone and not chosen and not self.faults:
            fix = 'give topics or traits, or {"everyone": true} for all contacts of the brand'
            self._fault("audience", rules, fix)

    def _topics(self, value: object, path: str) -> TopicRule:
        parts = self._object(value, path, ("any", "all", "none"))
        if parts.get("any") == []:
            self._fault(f"{path}.any", [], "name a topic, or leave it out")
        return TopicRule(
            **{name: self._slugs(part, f"{path}.{name}") for name, part in parts.items()}
        )

    def _exclusion(self, value: object, path: str) -> Exclusion:
        parts = self._object(value, path, ("topics", "traits", "received"))
        return Exclusion(
            topics=self._slugs(parts.get("topics", []), f"{path}.topics"),
            traits=self._traits(parts.get("traits", []), f"{path}.traits"),
            received=self._campaigns(parts.get("received", []), f"{path}.received"),
        )

    def _slugs(self, value: object, path: str) -> tuple[str, ...]:
        slugs = []
        for place, item in self._items(value, path, MOST_TOPICS):
            if isinstance(item, str) and _SLUG.fullmatch(item):
                slugs.append(item)
            else:
                self._fault(place, item, 'write the slug of a topic, such as "news"')
        return tuple(slugs)

    def _campaigns(self, value: object, path: str) -> tuple[int, ...]:
        ids = []
        for place, item in self._items(value, path, MOST_CAMPAIGNS):
            if isinstance(item, int) and not isinstance(item, bool) and 0 < item < 2**63:
                ids.append(item)
            else:
                self._fault(place, item, "write the id of a campaign, a whole number such as 12")
        return tuple(ids)

    def _traits(self, value: object, path: str) -> tuple[TraitRule, ...]:
        rules = (
            self._trait(item, place) for place, item in self._items(value, path, MOST_TRAIT_RULES)
        )
        return tuple(rule for rule in rules if rule is not None)

    def _trait(self, value: object, path: str) -> TraitRule | None:
        tests = tuple(test.value for test in TraitTest)
        before = len(self.faults)
        parts = self._object(value, path, ("trait", *tests))
        if len(self.faults) > before:
            return None
        name, given = parts.get("trait"), [test for test in tests if test in parts]
        if not _is_text(name):
            self._fault(f"{path}.trait", name, _text_fix("the name of a trait"))
        if len(given) != 1:
            self._fault(path, value, f"give one of {', '.join(tests)}")
            return None
        test = TraitTest(given[0])
        operand = _OPERANDS[test](parts[test])
        if operand is None:
            self._fault(f"{path}.{test}", parts[test], _OPERAND_FIXES[test])
            return None
        return TraitRule(str(name), test, operand)

    def _object(self, value: object, path: str, keys: tuple[str, ...]) -> dict[str, object]:
        if not isinstance(value, dict):
            self._fault(path, value, f"write an object with {', '.join(keys)}")
            return {}
        for key in value:
            if key not in keys:
                self._fault(f"{path}.{_shown_key(key)}", value[key], f"use {', '.join(keys)}")
        return {key: part for key, part in value.items() if key in keys}

    def _items(self, value: object, path: str, most: int) -> list[tuple[str, object]]:
        if not isinstance(value, list):
            self._fault(path, value, "write a list in [ ]")
            return []
        if len(value) > most:
            self.faults.append(Fault(path, f"{len(value)} items", f"give at most {most}"))
            return []
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]

    def _fault(self, path: str, found: object, fix: str) -> None:
        self.faults.append(Fault(path, _shown(found), fix))


def _is_text(value: object) -> bool:
    """PostgreSQL stores neither NUL nor half a surrogate pair."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_TEXT
        and "\0" not in value
        and not any("\ud800" <= sign <= "\udfff" for sign in value)
    )


def _is_number(value: object) -> bool:
    """Neither true nor false, nor NaN, which no comparison holds for."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -LARGEST_NUMBER <= value <= LARGEST_NUMBER
    )


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, bool):
        return value
    return _choice(value)


def _choice(value: object) -> str | int | float | None:
    if isinstance(value, str | int | float) and (_is_text(value) or _is_number(value)):
        return value
    return None


def _choices(value: object) -> tuple[str | int | float, ...] | None:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_CHOICES:
        return None
    choices = tuple(_choice(item) for item in value)
    known = tuple(choice for choice in choices if choice is not None)
    return known if len(known) == len(choices) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _is_text(value) else None


def _number_or_day(value: object) -> int | float | date | None:
    if isinstance(value, int | float) and _is_number(value):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text_fix(what: str) -> str:
    return f"write {what}: text of 1 to {LONGEST_TEXT} characters"


_OPERANDS: dict[
    TraitTest, Callable[[object], Scalar | date | tuple[str | int | float, ...] | None]
] = {
    TraitTest.IS: _scalar,
    TraitTest.IN: _choices,
    TraitTest.CONTAINS: _text,
    TraitTest.AT_LEAST: _number_or_day,
    TraitTest.AT_MOST: _number_or_day,
    TraitTest.EXISTS: _boolean,
}
_NUMBER_FIX = f'write a number up to {LARGEST_NUMBER:.0e} or a day such as "2026-05-31"'
_OPERAND_FIXES: dict[TraitTest, str] = {
    TraitTest.IS: f"{_text_fix('what it is')}, a number, or true or false",
    TraitTest.IN: f"write a list of 1 to {MOST_CHOICES} texts and numbers",
    TraitTest.CONTAINS: _text_fix("what it contains"),
    TraitTest.AT_LEAST: _NUMBER_FIX,
    TraitTest.AT_MOST: _NUMBER_FIX,
    TraitTest.EXISTS: "write true or false",
}


def _shown_key(key: object) -> str:
    return ascii(key)[1:-1][:40] if isinstance(key, str) else ascii(key)[:40]


def _shown(value: object) -> str:
    """What was found, in JSON's words and cut short."""
    if isinstance(value, dict):
        return "{}" if not value else f"an object with {', '.join(map(_shown_key, value))}"[:80]
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return json.dumps(value[:40]).replace("\x7f", "\\u007f")
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge number"  # Python refuses to write the very long ones out
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)[:40]
