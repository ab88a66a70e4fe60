"""Planning a launched campaign's audience: pages until it is complete or the turn is over.

Everything that says how far it came is in the database: a planner that is killed between or inside
pages is followed by another, which goes on at the cursor.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from django.db import connection

from apps.campaigns import audience
from apps.campaigns.errors import NotLaunchedError
from apps.campaigns.models import Campaign
from apps.campaigns.references import References
from apps.campaigns.selecting import select
from apps.mail import mailings, planning
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.mail.planning import Selection

log = structlog.get_logger(__name__)

# Then the next campaign's wake-up gets its turn. Far below the task's time limit.
TURN_SECONDS = 60.0
# A planner that made no page for so long is gone; one at work makes a page in a fraction of it.
SILENT_SECONDS = 3
DUE_AT_MOST = 50


def plan_audience(*, campaign_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Plans page after page and wakes the senders after each; returns the number of pages.

    Stops where the mailing is paused or cancelled; resuming it wakes the planner again. Where the
    turn ends first, it enqueues itself. Raises `NotLaunchedError` for a draft.
    """
    campaign = Campaign.objects.select_related("mailing").get(pk=campaign_id)
    if campaign.mailing is None:
        raise NotLaunchedError(f"Campaign {campaign_id} is a draft; launch it first.")
    selection = frozen_selection(campaign)
    ends_at = time.monotonic() + turn_seconds
    pages = 0
    while time.monotonic() < ends_at:
        page = planning.plan_page(mailing_id=campaign.mailing.pk, selection=selection)
        if page.batches:
            mailings.wake_senders(account_id=campaign.mailing.account_id)
        nothing = not (page.planned or page.skipped)
        pages += not nothing
        if page.complete:
            _finish(campaign, pages)
            return pages
        if nothing:
            return pages
    enqueue(TaskName.PLAN_AUDIENCE, campaign_id=campaign_id)
    return pages


def frozen_selection(campaign: Campaign) -> Selection:
    """Who was meant at the moment of the launch."""
    references = References.from_json(campaign.frozen_references or {})
    return select(audience.parse(campaign.audience), references)


def _finish(campaign: Campaign, pages: int) -> None:
    if pages:
        log.info("audience_planned", campaign=campaign.pk, mailing=campaign.mailing_id, pages=pages)
    # Where everybody was skipped there is no batch whose end would complete the mailing.
    enqueue(TaskName.CLOSE_MAILINGS)


_DUE = f"""
SELECT campaign.id
  FROM mail_mailing mailing
  JOIN campaigns_campaign campaign ON campaign.mailing_id = mailing.id
  LEFT JOIN LATERAL (
       SELECT created_at FROM mail_audiencepage
        WHERE mailing_id = mailing.id ORDER BY after_contact DESC LIMIT 1) page ON true
 WHERE mailing.state = 'running' AND mailing.kind = 'bulk'
   AND mailing.audience_completed_at IS NULL
   AND greatest(page.created_at, mailing.state_changed_at)
       < now() - make_interval(secs => {SILENT_SECONDS})
 LIMIT {DUE_AT_MOST}
"""


def due_audiences() -> Iterable[Due]:
    """Campaigns under way whose planner is gone, or whose wake-up was lost."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.PLAN_AUDIENCE, 1, {"campaign_id": campaign_id})
            for (campaign_id,) in cursor.fetchall()
        ]
