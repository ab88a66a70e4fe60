"""Starting a campaign at a time, and never too late.

A scheduled campaign is started between its time and its latest start, or not at all: then it is
`missed`, with a reason that a person reads. What was scheduled is what goes out: an edit made past
the refusals here is found by its fingerprint, and then nothing is sent either.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from apps.campaigns import checking, launching, local_times
from apps.campaigns.checking import ProblemCode
from apps.campaigns.domains import PacedDomains
from apps.campaigns.errors import (
    AlreadyLaunched,
    ChangedMeanwhileError,
    InvalidScheduleError,
    LaunchRefused,
    NotScheduledError,
    ScheduledError,
    TooLateError,
)
from apps.campaigns.fingerprints import fingerprint
from apps.campaigns.models import Campaign
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.campaigns.checking import DomainLister, Problem
    from apps.campaigns.models import CampaignQuerySet

log = structlog.get_logger(__name__)

FARTHEST = timedelta(days=366)
LONGEST_WINDOW = timedelta(days=7)
# Between two tries of a start that may still succeed, such as with a provider that is away.
TRY_EVERY_SECONDS = 30
DUE_AT_MOST = 50
REASON_LIMIT = 500
# They may pass by themselves: worth another try until the latest start.
_PASSING = {ProblemCode.SENDER_NOT_CHECKED}


def schedule(
    *,
    campaign_id: int,
    at: datetime,
    latest_start: datetime,
    actor: str,
    client: DomainLister | None = None,
) -> Campaign:
    """Has the campaign started at `at`, or up to `latest_start` where it cannot be started then.

    Naive times are local to the brand's zone. Everything that a launch checks is checked now, and
    again at the start. Scheduling again replaces the times. Raises `LocalTimeError`,
    `InvalidScheduleError`, `LaunchRefused`, `AlreadyLaunched` or `ChangedMeanwhileError`.
    """
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    if campaign.mailing_id is not None:
        raise AlreadyLaunched(f"Campaign {campaign_id} was launched: it cannot be scheduled.")
    starts_at, ends_at = _window(at, latest_start, zone=campaign.brand.timezone)
    problems = checking.check(campaign, client or PacedDomains(campaign.sender.account))
    if checking.is_blocked(problems):
        raise LaunchRefused(problems)
    with transaction.atomic():
        _lock_unchanged(campaign)
        Campaign.objects.filter(pk=campaign_id).update(
            scheduled_at=starts_at,
            latest_start=ends_at,
            scheduled_by=actor,
            scheduled_as=fingerprint(campaign),
            start_tried_at=None,
            missed_at=None,
            missed_reason="",
        )
    log.info("campaign_scheduled", campaign=campaign_id, at=starts_at.isoformat(), by=actor)
    return Campaign.objects.with_parts().get(pk=campaign_id)


def unschedule(*, campaign_id: int, actor: str) -> None:
    """Makes it a draft again, also where its time was missed. Raises `NotScheduledError`."""
    unscheduled = (
        Campaign.objects.drafts()
        .filter(pk=campaign_id, scheduled_at__isnull=False)
        .update(
            scheduled_at=None,
            latest_start=None,
            scheduled_by="",
            scheduled_as="",
            start_tried_at=None,
            missed_at=None,
            missed_reason="",
        )
    )
    if not unscheduled:
        raise NotScheduledError(f"Campaign {campaign_id} has no schedule, or it was launched.")
    log.info("campaign_unscheduled", campaign=campaign_id, by=actor)


def refuse_if_scheduled(campaigns: CampaignQuerySet) -> None:
    """For whoever is about to change them. Raises `ScheduledError` naming those that wait."""
    waiting = campaigns.scheduled().select_related("brand").order_by("scheduled_at")[:5]
    if waiting:
        named = ", ".join(
            f"“{one.name}” for {_local(one.scheduled_at, one.brand.timezone)}" for one in waiting
        )
        raise ScheduledError(f"Scheduled and so not to be changed: {named}. Unschedule it first.")


def _local(time: datetime | None, zone: str) -> str:
    return local_times.shown(time, zone=zone) if time else ""


def _window(at: datetime, latest_start: datetime, *, zone: str) -> tuple[datetime, datetime]:
    starts_at, ends_at = (local_times.to_utc(one, zone=zone) for one in (at, latest_start))
    now = datetime.now(tz=UTC)
    if ends_at < starts_at:
        raise InvalidScheduleError("latest_start: must not be before the start.")
    if ends_at <= now:
        raise InvalidScheduleError(
            f"latest_start: {local_times.shown(ends_at, zone=zone)} is over; choose a later one."
        )
    if starts_at < now - timedelta(minutes=1):
        raise InvalidScheduleError(
            f"at: {local_times.shown(starts_at, zone=zone)} is over; choose a later time, or"
            " launch now."
        )
    if starts_at > now + FARTHEST:
        raise InvalidScheduleError(f"at: at most {FARTHEST.days} days from now.")
    if ends_at - starts_at > LONGEST_WINDOW:
        raise InvalidScheduleError(
            f"latest_start: at most {LONGEST_WINDOW.days} days after the start."
        )
    return starts_at, ends_at


def _lock_unchanged(checked: Campaign) -> None:
    Campaign.objects.select_for_update(no_key=True).get(pk=checked.pk)
    now = Campaign.objects.with_parts().get(pk=checked.pk)
    if now.mailing_id is not None:
        raise AlreadyLaunched(f"Campaign {checked.pk} was launched a moment ago.")
    if fingerprint(now) != fingerprint(checked):
        raise ChangedMeanwhileError(
            "The campaign was changed while it was being checked: look at it and schedule again."
        )


# --- The start ----------------------------------------------------------------------------------

_CLAIM = f"""
UPDATE campaigns_campaign SET start_tried_at = statement_timestamp()
 WHERE id = %s AND mailing_id IS NULL AND missed_at IS NULL AND scheduled_at <= now()
   AND (start_tried_at IS NULL
        OR start_tried_at < now() - make_interval(secs => {TRY_EVERY_SECONDS}))
RETURNING latest_start < statement_timestamp()
"""


def start_scheduled(*, campaign_id: int, client: DomainLister | None = None) -> None:
    """Launches it where its time has come, or notes why it was missed. Otherwise nothing happens.

    Of several at once one acts. What may pass by itself, such as a provider that cannot be
    reached, is tried again every half minute until the latest start.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [campaign_id])
        claimed = cursor.fetchone()
    if claimed is None:
        return
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    if claimed[0]:
        _miss(campaign, _too_late(campaign))
    elif fingerprint(campaign) != campaign.scheduled_as:
        _miss(campaign, "It was changed after it was scheduled: look at it and schedule it again.")
    else:
        _launch(campaign, client)


def _launch(campaign: Campaign, client: DomainLister | None) -> None:
    try:
        launching.launch(
            campaign_id=campaign.pk, by=campaign.scheduled_by, on_schedule=True, client=client
        )
    except LaunchRefused as refusal:
        blocking = [problem for problem in refusal.problems if problem.blocking]
        if {problem.code for problem in blocking} <= _PASSING:
            log.warning("scheduled_start_waits", campaign=campaign.pk)
        else:
            _miss(campaign, _in_words(blocking))
    except TooLateError:
        _miss(campaign, _too_late(campaign))
    except (AlreadyLaunched, NotScheduledError):
        log.info("scheduled_start_not_needed", campaign=campaign.pk)


def _miss(campaign: Campaign, reason: str) -> None:
    missed = (
        Campaign.objects.scheduled()
        .filter(pk=campaign.pk, scheduled_at=campaign.scheduled_at)
        .update(missed_at=Now(), missed_reason=reason[:REASON_LIMIT])
    )
    if missed:
        log.error("scheduled_start_missed", campaign=campaign.pk, reason=reason[:REASON_LIMIT])


def _too_late(campaign: Campaign) -> str:
    latest = _local(campaign.latest_start, campaign.brand.timezone)
    return f"It could not be started by {latest}, the latest start. Nothing was sent."


def _in_words(problems: list[Problem]) -> str:
    return f"Nothing was sent: {' '.join(problem.message for problem in problems)}"


_DUE = f"""
SELECT id FROM campaigns_campaign
 WHERE scheduled_at <= now() AND mailing_id IS NULL AND missed_at IS NULL
   AND (start_tried_at IS NULL
        OR start_tried_at < now() - make_interval(secs => {TRY_EVERY_SECONDS}))
 ORDER BY scheduled_at LIMIT {DUE_AT_MOST}
"""


def due_starts() -> Iterable[Due]:
    """Scheduled campaigns whose time has come, or is over."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return [
            Due(TaskName.START_SCHEDULED, 1, {"campaign_id": campaign_id})
            for (campaign_id,) in cursor.fetchall()
        ]
