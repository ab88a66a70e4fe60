from __future__ import annotations

from typing import TYPE_CHECKING

from apps.campaigns import launching, planning

if TYPE_CHECKING:
    from tests.integration.campaigns.conftest import Newsroom


def test_smoke(newsroom: Newsroom) -> None:
    newsroom.add_people(250)
    campaign = launching.launch(campaign_id=newsroom.campaign().pk, by="anna")
    assert campaign.state == "running"
    pages = planning.plan_audience(campaign_id=campaign.pk)
    assert pages == 1
    assert campaign.mailing is not None
    assert campaign.mailing.batches.count() == 3
