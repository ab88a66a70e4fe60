"""Audience rules as SQL: conditions on the contact row `c`, every value a parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from apps.campaigns.audience import TraitRule, TraitTest
from apps.campaigns.errors import UnknownReferenceError
from apps.contacts.models import TopicState
from apps.mail.models import Message
from apps.mail.planning import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from apps.campaigns.audience import Audience, Exclusion, TopicRule
    from apps.campaigns.references import MailingKey, References

# Who was, will be or may have been sent something "received" it; skipped and failed did not.
_RECEIVED_STATES = (Message.State.PENDING, Message.State.SENT, Message.State.UNKNOWN)
_NUMBER = r"^-?[0-9]{1,40}([.][0-9]{1,40})?$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY_LENGTH = 10


def select(audience: Audience, references: References) -> Selection:
    """Raises `UnknownReferenceError` for a topic or campaign that `references` does not hold."""
    compiler = _Compiler(references)
    include = compiler.included(audience)
    exclude = compiler.excluded(audience.exclude)
    return Selection(
        include=" AND ".join(rule.sql for rule in include) or "true",
        exclude=" OR ".join(rule.sql for rule in exclude) or "false",
        params=compiler.params,
    )


@dataclass(frozen=True)
class Condition:
    """One rule of an audience: its path in the rules, in an operator's words, and as SQL."""

    path: str
    words: str
    sql: str


@dataclass(frozen=True)
class Conditions:
    """What must hold, and what must not, each on its own; `params` serve all."""

    include: tuple[Condition, ...]
    exclude: tuple[Condition, ...]
    params: Mapping[str, Any]


def conditions(audience: Audience, references: References) -> Conditions:
    """The rules one by one, to tell which of them somebody does not meet. Raises as `select`."""
    compiler = _Compiler(references)
    return Conditions(
        tuple(compiler.included(audience)),
        tuple(compiler.excluded(audience.exclude)),
        compiler.params,
    )


@dataclass
class _Compiler:
    """Collects parameters under names that the statements around do not use."""

    references: References
    params: dict[str, Any] = field(default_factory=dict)

    def included(self, audience: Audience) -> list[Condition]:
        traits = self._traits(audience.traits, "traits")
        return [*self._topics(audience.topics), *traits]

    def excluded(self, rule: Exclusion) -> list[Condition]:
        found = []
        if rule.topics:
            words = f"opted in to {_either(rule.topics)}"
            found.append(Condition("exclude.topics", words, self._opted_in(rule.topics)))
        found += self._traits(rule.traits, "exclude.traits")
        for campaign_id in rule.received:
            if key := self._mailing(campaign_id):
                words = f"received campaign {campaign_id}"
                found.append(Condition("exclude.received", words, self._received(key)))
        return found

    def _topics(self, rule: TopicRule) -> Iterable[Condition]:
        if rule.any:
            words = f"opted in to {_either(rule.any)}"
            yield Condition("topics.any", words, self._opted_in(rule.any))
        for slug in rule.all:
            yield Condition("topics.all", f"opted in to {slug}", self._opted_in((slug,)))
        if rule.none:
            words = f"not opted in to {_either(rule.none)}"
            yield Condition("topics.none", words, f"NOT {self._opted_in(rule.none)}")

    def _traits(self, rules: Iterable[TraitRule], path: str) -> list[Condition]:
        return [
            Condition(f"{path}[{index}]", in_words(rule), self._trait(rule))
            for index, rule in enumerate(rules)
        ]

    def _opted_in(self, slugs: Iterable[str]) -> str:
        topics = self._bind([self._topic(slug) for slug in slugs])
        return (
            "EXISTS (SELECT FROM contacts_topicsubscription ts"
            f" WHERE ts.topic_id = ANY({topics}::bigint[]) AND ts.contact_id = c.id"
            f" AND ts.state = '{TopicState.OPT_IN}')"
        )

    def _received(self, key: MailingKey) -> str:
        states = ", ".join(f"'{state}'" for state in _RECEIVED_STATES)
        return (
            "EXISTS (SELECT FROM mail_message earlier"
            f" WHERE earlier.month = {self._bind(key.month)}"
            f" AND earlier.mailing_id = {self._bind(key.mailing_id)}"
            " AND earlier.contact_id = c.id AND earlier.idempotency_key IS NULL"
            f" AND earlier.state IN ({states}))"
        )

    def _trait(self, rule: TraitRule) -> str:
        return _TESTS[rule.test](self, f"c.traits -> {self._bind(rule.trait)}::text", rule.value)

    def is_one_of(self, trait: str, values: Any) -> str:
        """`values` is one value, or a tuple of them."""
        choices = values if isinstance(values, tuple) else (values,)
        texts = [_as_text(choice) for choice in choices]
        numbers = [Decimal(str(choice)) for choice in choices if _is_number(choice)]
        told = f"{_text_of(trait)} = ANY({self._bind(texts)}::text[])"
        if not numbers:
            return f"({told})"
        return f"({told} OR {_number_of(trait)} = ANY({self._bind(numbers)}::numeric[]))"

    def is_boolean(self, trait: str, value: Any) -> str:
        return f"(lower({_text_of(trait)}) = {self._bind(_as_text(value))})"

    def contains(self, trait: str, value: Any) -> str:
        sought = self._bind(value)
        return (
            f"CASE jsonb_typeof({trait})"
            f" WHEN 'array' THEN ({trait}) @> to_jsonb({sought}::text)"
            f" WHEN 'string' THEN strpos({_text_of(trait)}, {sought}::text) > 0"
            " ELSE false END"
        )

    def compares(self, trait: str, sign: str, value: Any) -> str:
        if isinstance(value, date):
            return f"({_day_of(trait)} {sign} {self._bind(value.isoformat())}::text)"
        return f"({_number_of(trait)} {sign} {self._bind(Decimal(str(value)))}::numeric)"

    def exists(self, trait: str, value: Any) -> str:
        return f"(coalesce({_text_of(trait)}, '') {'<>' if value else '='} '')"

    def _topic(self, slug: str) -> int:
        try:
            return self.references.topics[slug]
        except KeyError:
            raise UnknownReferenceError(f"The brand has no topic {slug!r}.") from None

    def _mailing(self, campaign_id: int) -> MailingKey | None:
        try:
            return self.references.mailings[campaign_id]
        except KeyError:
            raise UnknownReferenceError(f"The brand has no campaign {campaign_id}.") from None

    def _bind(self, value: object) -> str:
        name = f"audience_{len(self.params)}"
        self.params[name] = value
        return f"%({name})s"


def in_words(rule: TraitRule) -> str:
    """`plan is one of pro, free`."""
    if rule.test is TraitTest.EXISTS:
        return f"{rule.trait} is {'known' if rule.value else 'not known'}"
    return f"{rule.trait} {_WORDS[rule.test]} {_value_in_words(rule.value)}"


_WORDS = {
    TraitTest.IS: "is",
    TraitTest.IN: "is one of",
    TraitTest.CONTAINS: "contains",
    TraitTest.AT_LEAST: "is at least",
    TraitTest.AT_MOST: "is at most",
}


def _value_in_words(value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(map(_as_text, values))


def _either(slugs: Iterable[str]) -> str:
    return " or ".join(slugs)


_TESTS: dict[TraitTest, Callable[[_Compiler, str, Any], str]] = {
    TraitTest.IS: lambda compiler, trait, value: (
        compiler.is_boolean(trait, value)
        if isinstance(value, bool)
        else compiler.is_one_of(trait, value)
    ),
    TraitTest.IN: _Compiler.is_one_of,
    TraitTest.CONTAINS: _Compiler.contains,
    TraitTest.AT_LEAST: lambda compiler, trait, value: compiler.compares(trait, ">=", value),
    TraitTest.AT_MOST: lambda compiler, trait, value: compiler.compares(trait, "<=", value),
    TraitTest.EXISTS: _Compiler.exists,
}


def _text_of(trait: str) -> str:
    """A text, number or boolean as its text; a list or group as JSON; null for no trait."""
    return f"(({trait}) #>> '{{}}')"


def _number_of(trait: str) -> str:
    """CASE keeps the cast away from what is no number."""
    text = _text_of(trait)
    return f"(CASE WHEN {text} ~ '{_NUMBER}' THEN {text}::numeric END)"


def _day_of(trait: str) -> str:
    """ISO days sort as text in the C collation; a time of day behind them does not count."""
    text = _text_of(trait)
    return f"(CASE WHEN {text} ~ '{_DAY}' THEN left({text}, {_DAY_LENGTH}) END COLLATE \"C\")"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
