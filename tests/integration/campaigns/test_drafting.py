"""Drafts changed part by part, duplicated and thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.campaigns import drafting
from apps.campaigns.errors import AlreadyLaunched, InvalidAudienceError, InvalidCampaignError
from apps.campaigns.models import Campaign
from apps.mail.models import Template
from tests.factories.brands import SenderFactory
from tests.factories.mail import HTML

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom


def fresh(campaign: Campaign) -> Campaign:
    return Campaign.objects.with_parts().get(pk=campaign.pk)


def test_parts_are_changed_one_by_one(newsroom: Newsroom) -> None:
    campaign = newsroom.campaign(authors=["anna"])
    sender = SenderFactory.create(brand=newsroom.brand)

    drafting.change_details(campaign_id=campaign.pk, name="New", sender=sender, actor="bert")
    drafting.change_audience(
        campaign_id=campaign.pk, audience={"traits": [{"trait": "x", "is": 1}]}, actor="anna"
    )
    drafting.change_content(
        campaign_id=campaign.pk, subject="Hi", html="<p>Hi</p>", text="Hi", actor="cyd"
    )

    found = fresh(campaign)
    assert (found.name, found.sender) == ("New", sender)
    assert found.audience == {"traits": [{"trait": "x", "is": 1}]}
    assert (found.template.subject, found.template.html) == ("Hi", "<p>Hi</p>")
    assert found.authors == ["anna", "bert", "cyd"]


def test_template_makes_its_writer_an_author_of_all_drafts_that_use_it(newsroom: Newsroom) -> None:
    first = newsroom.campaign()
    second = newsroom.campaign(template=first.template)
    template = first.template

    drafting.write_template(
        brand=template.brand, slug=template.slug, subject="x", html="x", text="", actor="dora"
    )

    assert fresh(first).authors == fresh(second).authors == ["dora"]


def test_wrong_parts_are_refused_and_change_nothing(newsroom: Newsroom) -> None:
    campaign = newsroom.campaign()
    foreign = SenderFactory.create()

    with pytest.raises(InvalidCampaignError, match="name: "):
        drafting.change_details(
            campaign_id=campaign.pk, name="", sender=campaign.sender, actor="anna"
        )
    with pytest.raises(InvalidCampaignError, match=r"sender: .*another brand"):
        drafting.change_details(campaign_id=campaign.pk, name="x", sender=foreign, actor="anna")
    with pytest.raises(InvalidAudienceError):
        drafting.change_audience(campaign_id=campaign.pk, audience={}, actor="anna")
    with pytest.raises(InvalidCampaignError, match="subject: "):
        drafting.change_content(
            campaign_id=campaign.pk, subject="", html="x", text="", actor="anna"
        )

    assert (fresh(campaign).name, fresh(campaign).authors) == (campaign.name, [])


def test_launched_campaign_is_neither_changed_nor_deleted(newsroom: Newsroom) -> None:
    campaign, _ = newsroom.launched(1)
    changes: list[Callable[[], object]] = [
        lambda: drafting.change_details(
            campaign_id=campaign.pk, name="x", sender=campaign.sender, actor="anna"
        ),
        lambda: drafting.delete_draft(campaign_id=campaign.pk, actor="anna"),
    ]

    for change in changes:
        with pytest.raises(AlreadyLaunched):
            change()


# --- Copies -----------------------------------------------------------------------------------


def test_copy_has_all_of_the_original_and_texts_of_its_own(newsroom: Newsroom) -> None:
    original = newsroom.campaign(
        name="Spring sale", audience={"traits": [{"trait": "x", "is": 1}]}, authors=["bert"]
    )

    copy = drafting.duplicate_campaign(campaign_id=original.pk, actor="anna")
    drafting.change_content(
        campaign_id=copy.pk, subject="Other", html="<p>x</p>", text="", actor="anna"
    )

    copy = fresh(copy)
    assert (copy.name, copy.slug, copy.state) == (
        "Copy of Spring sale", "copy-of-spring-sale", "draft",
    )  # fmt: skip
    assert (copy.audience, copy.sender) == (original.audience, original.sender)
    assert copy.authors == ["anna"]
    assert fresh(original).template.html == HTML


def test_copy_of_a_launched_campaign_has_the_texts_that_went_out(newsroom: Newsroom) -> None:
    campaign, mailing = newsroom.launched(1)
    Template.objects.update(subject="Changed since")

    copy = drafting.duplicate_campaign(campaign_id=campaign.pk, actor="anna")

    assert copy.template.subject == mailing.content.subject


def test_copies_of_copies_find_names(newsroom: Newsroom) -> None:
    original = newsroom.campaign(name="Ж" * 200)

    first = drafting.duplicate_campaign(campaign_id=original.pk, actor="anna")
    second = drafting.duplicate_campaign(campaign_id=original.pk, actor="anna")

    assert (first.slug, second.slug) == ("copy-of", "copy-of-2")
    assert len(first.name) == 200
