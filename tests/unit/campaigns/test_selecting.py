"""Rules become SQL in which no value of theirs stands."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from apps.campaigns.audience import parse
from apps.campaigns.errors import UnknownReferenceError
from apps.campaigns.references import MailingKey, References
from apps.campaigns.selecting import select
from apps.mail.planning import Selection

NEWS = References(topics={"news": 7, "vip": 8}, mailings={})


def compiled(rules: dict[str, Any], references: References = NEWS) -> Selection:
    return select(parse(rules), references)


def test_everyone_is_no_condition_at_all() -> None:
    assert compiled({"everyone": True}) == Selection()


def test_values_travel_as_parameters_only() -> None:
    evil = "'); DROP TABLE contacts_contact; -- %s {x}"
    selection = compiled(
        {
            "traits": [
                {"trait": evil, "is": evil},
                {"trait": "a", "in": [evil, 31337]},
                {"trait": "a", "contains": evil},
                {"trait": "a", "at_least": 31337},
                {"trait": "a", "at_most": "2031-03-30"},
                {"trait": "a", "exists": True},
            ],
            "exclude": {"traits": [{"trait": evil, "is": evil}]},
        }
    )

    sql = selection.include + selection.exclude
    named = set(re.findall(r"%\((\w+)\)s", sql))
    assert named == selection.params.keys()
    assert "%" not in re.sub(r"%\(\w+\)s", "", sql)
    assert not re.search(r"DROP|31337|2031", sql)


def test_parameters_do_not_meet_those_of_the_planner() -> None:
    selection = compiled({"topics": {"any": ["news"], "all": ["vip"]}})

    assert selection.params == {"audience_0": [7], "audience_1": [8]}


def test_campaign_that_was_not_launched_excludes_nobody() -> None:
    rules = {"everyone": True, "exclude": {"received": [3]}}

    assert compiled(rules, References({}, {3: None})).exclude == "false"


def test_unknown_names_are_never_taken_for_nobody() -> None:
    with pytest.raises(UnknownReferenceError, match="no topic 'sport'"):
        compiled({"topics": {"any": ["sport"]}})
    with pytest.raises(UnknownReferenceError, match="no campaign 3"):
        compiled({"everyone": True, "exclude": {"received": [3]}})


def test_references_come_back_from_json_as_they_were() -> None:
    references = References({"news": 7}, {3: None, 4: MailingKey(9, date(2026, 11, 1))})

    assert References.from_json(references.to_json()) == references
