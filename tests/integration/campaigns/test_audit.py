"""Every change of a campaign or a template is in the audit log, with before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.brands import acting
from apps.brands.models import AuditEntry
from apps.campaigns import drafting

if TYPE_CHECKING:
    from tests.integration.campaigns.conftest import Newsroom


def test_changes_of_campaign_and_template_are_told(newsroom: Newsroom) -> None:
    campaign = newsroom.campaign(name="Old")
    seen = AuditEntry.objects.latest("pk").pk

    with acting.acting_as("user:5 anna"):
        drafting.change_details(
            campaign_id=campaign.pk, name="New", sender=campaign.sender, actor="user:5 anna"
        )
        drafting.change_content(
            campaign_id=campaign.pk, subject="Hi", html="<p>x</p>", text="", actor="user:5 anna"
        )

    told = AuditEntry.objects.filter(pk__gt=seen).order_by("pk")
    renamed, written = told
    assert {entry.actor for entry in told} == {"user:5 anna"}
    assert {entry.brand_id for entry in told} == {campaign.brand_id}
    assert (renamed.before or {})["name"] == "Old"
    assert (renamed.after or {})["name"] == "New"
    assert (written.table_name, (written.after or {})["subject"]) == ("mail_template", "Hi")
