"""Who is meant, by PostgreSQL itself: rules against people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apps.campaigns import audience, counting, launching, planning, references
from apps.campaigns.selecting import select
from apps.contacts.models import Contact
from apps.mail.models import AudiencePage, Message
from tests.factories.brands import SenderFactory
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from apps.campaigns.models import Campaign
    from apps.mail.planning import Selection

PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {
        "plan": "pro",
        "age": "42",
        "joined": "2026-03-01",
        "tags": ["tea", "art"],
        "vip": True,
    },
    "bob": {"plan": "free", "age": 17, "joined": "2026-05-31T23:59:00", "tags": [], "vip": "TRUE"},
    "cyd": {"plan": "Pro", "age": 42.0, "city": "Łódź 100% {x}", "vip": False},
    "dee": {"plan": "", "age": "unknown", "joined": "yesterday", "tags": "tea room"},
    "eve": {},
    "fay": {"plan": None, "age": "-3.5", "joined": "2026-06-01", "nested": {"a": 1}},
}


@pytest.fixture
def people(newsroom: Newsroom) -> dict[str, Contact]:
    return {name: newsroom.add_person(name, traits=traits) for name, traits in PEOPLE.items()}


def selection_of(newsroom: Newsroom, rules: dict[str, Any]) -> Selection:
    parsed = audience.parse(rules)
    return select(parsed, references.resolve(parsed, brand_id=newsroom.brand.pk).references)


def meant(newsroom: Newsroom, rules: dict[str, Any]) -> str:
    """The first letters of those who would get it."""
    found = counting.sample(selection_of(newsroom, rules), brand_id=newsroom.brand.pk, size=100)
    contacts = Contact.objects.filter(pk__in=found).order_by("pk")
    return "".join(contact.address[0] for contact in contacts)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"trait": "plan", "is": "pro"}, "a"),
        ({"trait": "plan", "is": "Pro"}, "c"),
        ({"trait": "age", "is": 42}, "ac"),
        ({"trait": "age", "is": "42"}, "a"),
        ({"trait": "age", "is": -3.5}, "f"),
        ({"trait": "vip", "is": True}, "ab"),
        ({"trait": "vip", "is": False}, "c"),
        ({"trait": "city", "is": "Łódź 100% {x}"}, "c"),
        ({"trait": "plan", "in": ["pro", "free"]}, "ab"),
        ({"trait": "age", "in": [17, "unknown", 42]}, "abcd"),
        ({"trait": "age", "at_least": 18}, "ac"),
        ({"trait": "age", "at_least": -3.5}, "abcf"),
        ({"trait": "age", "at_most": 17}, "bf"),
        ({"trait": "joined", "at_least": "2026-05-31"}, "bf"),
        ({"trait": "joined", "at_most": "2026-05-31"}, "ab"),
        ({"trait": "tags", "contains": "tea"}, "ad"),
        ({"trait": "tags", "contains": "te"}, "d"),
        ({"trait": "city", "contains": "0% {"}, "c"),
        ({"trait": "age", "contains": "4"}, "a"),
        ({"trait": "nested", "contains": "a"}, ""),
        ({"trait": "plan", "exists": True}, "abc"),
        ({"trait": "plan", "exists": False}, "def"),
        ({"trait": "no such trait", "exists": True}, ""),
        ({"trait": "' OR true OR '", "is": "'"}, ""),
    ],
)
def test_trait_rule_means(
    newsroom: Newsroom, people: dict[str, Contact], rule: dict[str, Any], expected: str
) -> None:
    assert meant(newsroom, {"traits": [rule]}) == expected


def test_all_that_is_said_must_hold(newsroom: Newsroom, people: dict[str, Contact]) -> None:
    rules = {"traits": [{"trait": "age", "at_least": 18}, {"trait": "vip", "is": True}]}

    assert meant(newsroom, rules) == "a"


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        ({"any": ["news"]}, "abc"),
        ({"any": ["news", "art"]}, "abce"),
        ({"all": ["news", "art"]}, "b"),
        ({"none": ["news"]}, "def"),
        ({"any": ["news"], "none": ["art"]}, "ac"),
        ({"any": ["empty"]}, ""),
    ],
)
def test_topic_rule_means(
    newsroom: Newsroom, people: dict[str, Contact], topics: dict[str, Any], expected: str
) -> None:
    newsroom.add_topic("news", people["ann"], people["bob"], people["cyd"], opted_out=people["dee"])
    newsroom.add_topic("art", people["bob"], people["eve"], opted_out=people["ann"])
    newsroom.add_topic("empty")

    assert meant(newsroom, {"topics": topics}) == expected


def test_another_brands_people_and_topics_do_not_count(
    newsroom: Newsroom, people: dict[str, Contact]
) -> None:
    other = Newsroom(SenderFactory.create())
    stranger = other.add_person("zoe", traits={"plan": "pro"})
    other.add_topic("news", stranger)

    assert meant(newsroom, {"traits": [{"trait": "plan", "is": "pro"}]}) == "a"
    rules = audience.parse({"topics": {"any": ["news"]}})
    resolved = references.resolve(rules, brand_id=newsroom.brand.pk)
    assert resolved.unknown_topics == ("news",)
    assert not resolved.complete
    foreign = other.campaign().pk
    rules = audience.parse({"everyone": True, "exclude": {"received": [foreign]}})
    resolved = references.resolve(rules, brand_id=newsroom.brand.pk)
    assert resolved.unknown_campaigns == (foreign,)


# --- Exclusions -------------------------------------------------------------------------------


def test_whoever_received_another_campaign_is_excluded(newsroom: Newsroom) -> None:
    first, mailing = newsroom.launched(6)
    states = ["sent", "unknown", "pending", "failed", "skipped"]
    for message, state in zip(Message.objects.of(mailing).order_by("pk"), states, strict=False):
        settled = None if state == "pending" else mailing.created_at
        reason = "" if state in {"pending", "sent"} else "refused"
        Message.objects.of(mailing).filter(pk=message.pk).update(
            state=state, reason=reason, settled_at=settled
        )

    count = counting.count(
        selection_of(newsroom, {"everyone": True, "exclude": {"received": [first.pk]}}),
        brand_id=newsroom.brand.pk,
    )

    # One was sent, one may have been, two are pending; one failed and one was skipped.
    assert (count.total, count.would_get, count.skipped) == (6, 2, {"excluded": 4})


def test_counts_are_what_planning_comes_to(newsroom: Newsroom, people: dict[str, Contact]) -> None:
    newsroom.add_people(20)
    newsroom.suppress(3, 4)
    newsroom.add_people(5, start=100, status="unsubscribed")
    newsroom.add_person("pat", status="pending")
    newsroom.add_topic("quiet", people["ann"], people["bob"])
    rules = {
        "everyone": True,
        "exclude": {"topics": ["quiet"], "traits": [{"trait": "plan", "is": "Pro"}]},
    }
    campaign = newsroom.campaign(audience=rules)

    count = counting.count(selection_of(newsroom, rules), brand_id=newsroom.brand.pk)
    launched = launching.launch(campaign_id=campaign.pk, by="anna")
    planning.plan_audience(campaign_id=campaign.pk)

    assert count.skipped == {
        "excluded": 3,
        "hard_bounce": 2,
        "not_opted_in": 1,
        "unsubscribed": 5,
    }
    assert count.total == 20 + 5 + 1 + len(PEOPLE)
    page = AudiencePage.objects.get(mailing=launched.mailing)
    assert (page.planned, page.skipped) == (count.would_get, count.skipped)
    assert excluded_rows(launched) == 3


def excluded_rows(campaign: Campaign) -> int:
    assert campaign.mailing is not None
    return Message.objects.of(campaign.mailing).filter(state="skipped", reason="excluded").count()


# --- Samples ----------------------------------------------------------------------------------


def test_sample_holds_oldest_newest_and_some_between(newsroom: Newsroom) -> None:
    newsroom.add_people(500)
    ids = list(Contact.objects.order_by("pk").values_list("pk", flat=True))

    found = counting.sample(
        selection_of(newsroom, {"everyone": True}), brand_id=newsroom.brand.pk, size=30
    )

    assert 20 < len(found) <= 30
    assert set(ids[:10]) | set(ids[-10:]) < set(found)


def test_sample_finds_the_one_person_who_is_not_skipped(newsroom: Newsroom) -> None:
    newsroom.add_people(300, status="unsubscribed")
    lucky = newsroom.add_person("lucky")
    newsroom.add_people(300, start=1000, status="unsubscribed")

    found = counting.sample(
        selection_of(newsroom, {"everyone": True}), brand_id=newsroom.brand.pk, size=6
    )

    assert found == [lucky.pk]
