"""What rules are read as, and what is said about those that cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.audience import (
    LONGEST_TEXT,
    MOST_TOPICS,
    Audience,
    Exclusion,
    Fault,
    TopicRule,
    TraitRule,
    TraitTest,
    parse,
)
from apps.campaigns.errors import InvalidAudienceError


def rule(**parts: Any) -> dict[str, Any]:
    return {"traits": [parts]}


def faults_of(rules: object) -> list[str]:
    with pytest.raises(InvalidAudienceError) as caught:
        parse(rules)
    return [str(fault) for fault in caught.value.faults]


def said_about(rules: object) -> tuple[Fault, ...]:
    try:
        parse(rules)
    except InvalidAudienceError as error:
        return error.faults
    return ()


def test_everything_that_can_be_said_is_read() -> None:
    audience = parse(
        {
            "topics": {"any": ["news"], "all": ["vip"], "none": ["partners"]},
            "traits": [
                {"trait": "plan", "is": "pro"},
                {"trait": "joined", "at_most": "2026-05-31"},
            ],
            "exclude": {
                "topics": ["quiet"],
                "traits": [{"trait": "country", "in": ["AT", 1]}],
                "received": [12],
            },
        }
    )

    assert audience == Audience(
        topics=TopicRule(any=("news",), all=("vip",), none=("partners",)),
        traits=(
            TraitRule("plan", TraitTest.IS, "pro"),
            TraitRule("joined", TraitTest.AT_MOST, date(2026, 5, 31)),
        ),
        exclude=Exclusion(
            topics=("quiet",),
            traits=(TraitRule("country", TraitTest.IN, ("AT", 1)),),
            received=(12,),
        ),
    )
    assert audience.topic_slugs == {"news", "vip", "partners", "quiet"}


def test_everyone_may_be_meant_only_by_saying_so() -> None:
    assert parse({"everyone": True}) == Audience(everyone=True)

    silent: list[dict[str, Any]] = [
        {}, {"topics": {}}, {"traits": []}, {"exclude": {"topics": ["a"]}}
    ]  # fmt: skip
    for rules in silent:
        (fault,) = faults_of(rules)
        assert '{"everyone": true}' in fault


def test_everyone_beside_a_choice_is_a_contradiction() -> None:
    (fault,) = faults_of({"everyone": True, "topics": {"any": ["news"]}})

    assert fault.startswith("audience.everyone: found true; leave it out")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "audience: found a list of 0; write an object with everyone, topics, traits, exclude"),
        (None, "audience: found null; write an object with everyone, topics, traits, exclude"),
        ({"everyone": 1}, "audience.everyone: found 1; write true, or leave it out"),
        ({"everyone": True, "topic": 1}, "audience.topic: found 1; use everyone, topics,"),
        ({"topics": ["news"]}, "audience.topics: found a list of 1; write an object with any,"),
        ({"topics": {"any": "news"}}, 'audience.topics.any: found "news"; write a list in [ ]'),
        ({"topics": {"any": []}}, "audience.topics.any: found a list of 0; name a topic, or"),
        (
            {"topics": {"any": ["ok", 5]}},
            'audience.topics.any[1]: found 5; write the slug of a topic, such as "news"',
        ),
        ({"topics": {"all": ["a b"]}}, 'audience.topics.all[0]: found "a b"; write the slug'),
        (
            {"topics": {"some": ["a"]}},
            "audience.topics.some: found a list of 1; use any, all, none",
        ),
        (
            {"topics": {"any": ["a"] * (MOST_TOPICS + 1)}},
            f"audience.topics.any: found {MOST_TOPICS + 1} items; give at most {MOST_TOPICS}",
        ),
        (rule(trait="plan"), "audience.traits[0]: found an object with trait; give one of is, in,"),
        (
            {"traits": [{"trait": "age", "at_least": 1, "at_most": 2}]},
            "audience.traits[0]: found an object with trait, at_least, at_most; give one of is,",
        ),
        (
            {"traits": [{"is": 1}]},
            "audience.traits[0].trait: found null; write the name of a trait",
        ),
        (rule(trait="", exists=True), 'audience.traits[0].trait: found ""; write the name'),
        (rule(trait="x", exists=1), "audience.traits[0].exists: found 1; write true or false"),
        (rule(trait="x", contains=5), "audience.traits[0].contains: found 5; write what it contai"),
        (
            rule(trait="x", at_least="2026-02-30"),
            'audience.traits[0].at_least: found "2026-02-30"; write a number up to 1e+15 or a day',
        ),
        (rule(trait="x", at_most=True), "audience.traits[0].at_most: found true; write a number"),
        (rule(trait="x", at_most=float("nan")), "audience.traits[0].at_most: found nan; write a n"),
        (rule(trait="x", at_most=10**5000), "audience.traits[0].at_most: found a huge number; wri"),
        ({"traits": [{"trait": "x", "in": []}]}, "audience.traits[0].in: found a list of 0; write"),
        ({"traits": [{"trait": "x", "in": [[]]}]}, "audience.traits[0].in: found a list of 1; wri"),
        (
            {"traits": [{"trait": "x", "is": "y" * (LONGEST_TEXT + 1)}]},
            f'audience.traits[0].is: found "{"y" * 40}"; write what it is: text of 1 to 200',
        ),
        (
            {"traits": [{"trait": "x", "is": "a\0b"}]},
            r'audience.traits[0].is: found "a',
        ),
        (
            {"everyone": True, "exclude": {"received": [True, "7", 0]}},
            "audience.exclude.received[0]: found true; write the id of a campaign, a whole number",
        ),
        (
            {"everyone": True, "exclude": {"traits": [{"trait": "x", "is": None}]}},
            "audience.exclude.traits[0].is: found null; write what it is",
        ),
        (
            {"everyone": True, "exclude": {"any": ["x"]}},
            "audience.exclude.any: found a list of 1; use topics, traits, received",
        ),
    ],
)
def test_fault_names_path_found_value_and_fix(rules: object, expected: str) -> None:
    assert faults_of(rules)[0].startswith(expected)


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        {"topics": {"any": [1, 2]}, "traits": [{}], "exclude": {"received": ["x"]}, "more": 1}
    )

    assert len(faults) == 6


@pytest.mark.parametrize("sign", ["\0", "\ud800"])
def test_text_that_the_database_cannot_hold_is_refused(sign: str) -> None:
    (fault,) = faults_of(rule(trait=f"a{sign}", exists=True))

    assert fault.encode().isascii()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
WORDS = st.sampled_from(
    ["everyone", "topics", "traits", "exclude", "any", "all", "none", "received", "trait"]
    + [test.value for test in TraitTest]
)
NEARLY_RULES = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(NEARLY_RULES)
def test_any_json_is_read_or_refused_in_printable_words(rules: object) -> None:
    faults = said_about(rules)

    assert all(fault.path.startswith("audience") for fault in faults)
    assert all(str(fault).isprintable() for fault in faults)
