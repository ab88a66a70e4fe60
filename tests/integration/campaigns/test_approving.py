"""A second person's word, for what they saw and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.campaigns import approving, drafting, launching
from apps.campaigns.approving import Standing
from apps.campaigns.errors import AlreadyLaunched, ApprovalError, LaunchRefused
from apps.campaigns.models import Approval, Campaign
from apps.contacts.models import Contact

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom

ANNA, BERT, CYD = "user:1 anna", "user:2 bert", "user:3 cyd"


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    """Written by Anna, of a brand that asks for approval."""
    newsroom.add_people(3)
    newsroom.brand.requires_approval = True
    newsroom.brand.save()
    return newsroom.campaign(authors=[ANNA])


def standing(campaign: Campaign) -> Standing:
    return approving.status(Campaign.objects.with_parts().get(pk=campaign.pk)).standing


def approve(campaign: Campaign, actor: str, seen: str | None = None) -> Approval:
    latest = Approval.objects.filter(campaign=campaign).latest("pk")
    return approving.approve(
        campaign_id=campaign.pk, seen=seen or latest.fingerprint, actor=actor, note="Fine."
    )


def test_campaign_is_launched_once_a_second_person_approved(campaign: Campaign) -> None:
    with pytest.raises(LaunchRefused, match="approval, which is not asked for"):
        launching.launch(campaign_id=campaign.pk, by=ANNA)

    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    with pytest.raises(LaunchRefused, match="waiting for a decision"):
        launching.launch(campaign_id=campaign.pk, by=ANNA)
    approved = approve(campaign, BERT)

    assert (approved.decision, approved.decided_by, approved.note) == ("approved", BERT, "Fine.")
    assert standing(campaign) is Standing.APPROVED
    assert launching.launch(campaign_id=campaign.pk, by=ANNA).state == "running"
    with pytest.raises(AlreadyLaunched):
        approving.request_approval(campaign_id=campaign.pk, actor=ANNA)


@pytest.mark.parametrize("actor", [ANNA, BERT, "user:2 renamed"])
def test_neither_author_nor_requester_approves(campaign: Campaign, actor: str) -> None:
    approving.request_approval(campaign_id=campaign.pk, actor=BERT)

    with pytest.raises(ApprovalError, match="A second person must approve"):
        approve(campaign, actor)

    approve(campaign, CYD)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: drafting.change_content(
            campaign_id=c.pk, subject="Other", html=c.template.html, text="", actor=CYD
        ),
        lambda c: drafting.change_audience(
            campaign_id=c.pk, audience={"traits": [{"trait": "x", "is": 1}]}, actor=CYD
        ),
        lambda c: drafting.change_details(
            campaign_id=c.pk, name="Other", sender=c.sender, actor=CYD
        ),
        lambda c: drafting.write_template(
            brand=c.brand, slug=c.template.slug, subject="x", html="x", text="", actor=CYD
        ),
    ],
)
def test_edit_withdraws_approval_and_its_author_approves_no_more(
    campaign: Campaign, edit: Callable[[Campaign], object]
) -> None:
    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    approve(campaign, BERT)

    edit(campaign)

    assert standing(campaign) is Standing.WITHDRAWN
    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    with pytest.raises(ApprovalError, match="second person"):
        approve(campaign, CYD)


def test_what_was_edited_since_it_was_shown_is_not_approved(campaign: Campaign) -> None:
    shown = approving.request_approval(campaign_id=campaign.pk, actor=ANNA).fingerprint
    drafting.change_details(
        campaign_id=campaign.pk, name="Other", sender=campaign.sender, actor=ANNA
    )
    with pytest.raises(ApprovalError, match="withdrawn by an edit"):
        approve(campaign, BERT, seen=shown)
    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)

    with pytest.raises(ApprovalError, match="edited since it was shown"):
        approve(campaign, BERT, seen=shown)


def test_declined_with_a_note_and_asked_for_again(campaign: Campaign) -> None:
    seen = approving.request_approval(campaign_id=campaign.pk, actor=ANNA).fingerprint
    with pytest.raises(ApprovalError, match="note: say what"):
        approving.decline(campaign_id=campaign.pk, seen=seen, actor=BERT, note=" ")

    approving.decline(campaign_id=campaign.pk, seen=seen, actor=BERT, note="The date is wrong.")

    assert standing(campaign) is Standing.DECLINED
    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    assert standing(campaign) is Standing.OPEN
    with pytest.raises(ApprovalError, match="nothing to ask"):
        approving.request_approval(campaign_id=campaign.pk, actor=ANNA)


def test_new_contacts_do_not_withdraw(newsroom: Newsroom, campaign: Campaign) -> None:
    approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    approve(campaign, BERT)

    newsroom.add_person("new")

    assert Contact.objects.count() == 4
    assert standing(campaign) is Standing.APPROVED


def test_database_refuses_what_is_no_second_person(campaign: Campaign) -> None:
    request = approving.request_approval(campaign_id=campaign.pk, actor=ANNA)
    rows = Approval.objects.filter(pk=request.pk)

    for fields, constraint in (
        (
            {"decision": "approved", "decided_at": Now(), "decided_by": ANNA},
            "approval_by_a_second_person",
        ),
        ({"decision": "approved"}, "approval_decided_all_or_nothing"),
    ):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            rows.update(**fields)
    with pytest.raises(IntegrityError, match="approval_open_once"), transaction.atomic():
        Approval.objects.create(campaign=campaign, fingerprint="x", requested_by=BERT)
