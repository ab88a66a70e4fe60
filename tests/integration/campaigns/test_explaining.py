"""Would this person get it, and why not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.campaigns.explaining import explain
from apps.contacts.errors import InvalidAddressError
from tests.factories.brands import SenderFactory
from tests.integration.campaigns.conftest import Newsroom

RULES = {
    "topics": {"any": ["news", "art"]},
    "traits": [{"trait": "plan", "in": ["pro", "team"]}, {"trait": "age", "at_least": 18}],
    "exclude": {"traits": [{"trait": "city", "is": "Bonn"}]},
}


@pytest.mark.parametrize(
    ("traits", "fields", "opted_in", "words"),
    [
        ({"plan": "pro", "age": 20}, {}, True, "Yes."),
        (
            {"plan": "pro", "age": 20},
            {},
            False,
            "No: not in the audience, which asks for: opted in to news or art.",
        ),
        (
            {"age": 17},
            {},
            True,
            (
                "No: not in the audience, which asks for:"
                " plan is one of pro, team; age is at least 18."
            ),
        ),
        (
            {"plan": "pro", "age": 20, "city": "Bonn"},
            {},
            True,
            "No: excluded, as this holds: city is Bonn.",
        ),
        (
            {"plan": "pro", "age": 20},
            {"status": "unsubscribed"},
            True,
            "No: has unsubscribed.",
        ),
    ],
)
def test_answer_names_the_rule(
    newsroom: Newsroom,
    *,
    traits: dict[str, Any],
    fields: dict[str, Any],
    opted_in: bool,
    words: str,
) -> None:
    ann = newsroom.add_person("ann", traits=traits, **fields)
    newsroom.add_topic("news", *[ann] * opted_in)
    newsroom.add_topic("art")
    campaign = newsroom.campaign(audience=RULES)

    found = explain(campaign, address=" Ann@People.example ")

    assert (found.words, found.would_get) == (words, words == "Yes.")
    assert found.contact_id == ann.pk


def test_received_campaigns_are_told_by_number(newsroom: Newsroom) -> None:
    first, _ = newsroom.launched(1)
    rules = {"everyone": True, "exclude": {"received": [first.pk]}}

    found = explain(newsroom.campaign(audience=rules), address="p1@people.example")

    assert found.words == f"No: excluded, as this holds: received campaign {first.pk}."


def test_strangers_and_other_brands_people_are_no_contacts(newsroom: Newsroom) -> None:
    Newsroom(SenderFactory.create()).add_person("zoe")
    campaign = newsroom.campaign()

    for address in ("zoe@people.example", "nobody@people.example"):
        assert explain(campaign, address=address).words.startswith("No: the brand has no contact")
    with pytest.raises(InvalidAddressError):
        explain(campaign, address="no address")
