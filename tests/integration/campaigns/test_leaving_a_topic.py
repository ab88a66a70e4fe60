"""Who leaves a topic between planning and sealing is no longer meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apps.campaigns import launching, planning
from apps.contacts.models import TopicState, TopicSubscription
from apps.mail.claiming import claim_batch
from apps.mail.sealing import Sealed, compose

if TYPE_CHECKING:
    from tests.integration.campaigns.conftest import Newsroom


def sealed_after_leaving(newsroom: Newsroom, rules: dict[str, Any], *left: str) -> Sealed:
    """Ann is opted in to news and art; `left` are the topics she leaves once all is planned."""
    ann = newsroom.add_person("ann")
    bob = newsroom.add_person("bob")
    newsroom.add_topic("news", ann, bob)
    newsroom.add_topic("art", ann, bob)
    campaign = launching.launch(campaign_id=newsroom.campaign(audience=rules).pk, by="anna")
    planning.plan_audience(campaign_id=campaign.pk)
    TopicSubscription.objects.filter(contact=ann, topic__slug__in=left).update(
        state=TopicState.OPT_OUT
    )
    batch = claim_batch(account_id=newsroom.sender.account_id)
    assert batch is not None
    return compose(batch)


@pytest.mark.parametrize(
    ("topics", "left", "mailed"),
    [
        ({"any": ["news"]}, ["news"], ["bob"]),
        ({"any": ["news", "art"]}, ["news"], ["ann", "bob"]),
        ({"any": ["news", "art"]}, ["news", "art"], ["bob"]),
        ({"all": ["news", "art"]}, ["art"], ["bob"]),
        ({"any": ["news"], "all": ["art"]}, ["art"], ["bob"]),
        ({"any": ["news"]}, ["art"], ["ann", "bob"]),
    ],
)
def test_topic_that_was_left_counts_until_the_seal(
    newsroom: Newsroom, topics: dict[str, Any], left: list[str], mailed: list[str]
) -> None:
    sealed = sealed_after_leaving(newsroom, {"topics": topics}, *left)

    assert [address.partition("@")[0] for address in sealed.addresses] == mailed
    assert {one.reason for one in sealed.resolved} <= {"not_opted_in"}


def test_without_topics_leaving_one_changes_nothing(newsroom: Newsroom) -> None:
    sealed = sealed_after_leaving(newsroom, {"everyone": True}, "news")

    assert len(sealed.addresses) == 2
