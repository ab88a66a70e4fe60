"""Planning a launched campaign's audience: pages until it is complete or the turn is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from apps.campaigns import audience
from apps.campaigns.errors import NotLaunchedError
from apps.campaigns.models import Campaign
from apps.campaigns.references import References
from apps.campaigns.selecting import select
from apps.mail.planning_turns import TURN_SECONDS, plan_for_a_turn, silent_audiences
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.planning import Selection

log = structlog.get_logger(__name__)


def plan_audience(*, campaign_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Plans until the audience is complete or the turn is over; returns the number of pages.

    Raises `NotLaunchedError` for a draft.
    """
    campaign = Campaign.objects.select_related("mailing").get(pk=campaign_id)
    if campaign.mailing is None:
        raise NotLaunchedError(f"Campaign {campaign_id} is a draft; launch it first.")
    turn = plan_for_a_turn(campaign.mailing, frozen_selection(campaign), seconds=turn_seconds)
    if turn.goes_on:
        enqueue(TaskName.PLAN_AUDIENCE, campaign_id=campaign_id)
    elif turn.complete and turn.pages:
        log.info(
            "audience_planned",
            campaign=campaign.pk,
            mailing=campaign.mailing_id,
            pages=turn.pages,
        )
    return turn.pages


def frozen_selection(campaign: Campaign) -> Selection:
    """Who was meant at the moment of the launch."""
    references = References.from_json(campaign.frozen_references or {})
    return select(audience.parse(campaign.audience), references)


def due_audiences() -> Iterable[Due]:
    """Campaigns under way whose planner is gone, or whose wake-up was lost."""
    return [
        Due(TaskName.PLAN_AUDIENCE, 1, {"campaign_id": campaign_id})
        for campaign_id in silent_audiences("campaigns_campaign")
    ]
