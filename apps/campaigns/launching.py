"""Launching: checked, then once and only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models import DateTimeField, Func
from django.db.models.functions import Now

from apps.campaigns import audience, checking, counting, references
from apps.campaigns.counting import CAMPAIGN_CLASS
from apps.campaigns.domains import PacedDomains
from apps.campaigns.errors import (
    AlreadyLaunched,
    ChangedMeanwhileError,
    CountChangedError,
    LaunchRefused,
    NotScheduledError,
    TooLateError,
)
from apps.campaigns.models import Campaign
from apps.mail import mailings
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from apps.campaigns.checking import DomainLister
    from apps.mail.models import Mailing

log = structlog.get_logger(__name__)


def launch(
    *,
    campaign_id: int,
    by: str,
    expected_count: int | None = None,
    on_schedule: bool = False,
    client: DomainLister | None = None,
) -> Campaign:
    """Checks the campaign and sends it on its way; `by` names who pressed the button.

    What was checked is what goes out: the texts are copied from the checked template. No
    transaction is open while the provider is asked about the sender's domain.

    `expected_count` is the number of people somebody confirmed: where `counting.tolerance` no
    longer covers it, `CountChangedError` names both numbers. `on_schedule` launches only a campaign
    that is still scheduled, and not after its latest start: `NotScheduledError`, `TooLateError`.
    Else raises `LaunchRefused` with all problems, `AlreadyLaunched`, or `ChangedMeanwhileError`.
    """
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    if campaign.mailing is not None:
        raise _already(campaign)
    problems = checking.check(campaign, client or PacedDomains(campaign.sender.account))
    if checking.is_blocked(problems):
        log.warning(
            "campaign_launch_refused",
            campaign=campaign_id,
            problems=[problem.code for problem in problems if problem.blocking],
        )
        raise LaunchRefused(problems)
    if expected_count is not None:
        _insist_on_count(campaign, expected_count)
    with transaction.atomic():
        mailing = _launch_checked(campaign, by, on_schedule=on_schedule)
    log.info("campaign_launched", campaign=campaign_id, mailing=mailing.pk, by=by)
    return Campaign.objects.with_parts().get(pk=campaign_id)


def _insist_on_count(campaign: Campaign, expected: int) -> None:
    found = counting.count_rules(campaign.audience, brand_id=campaign.brand_id).would_get
    tolerance = counting.tolerance(expected)
    if abs(found - expected) > tolerance:
        raise CountChangedError(expected=expected, found=found, tolerance=tolerance)


def _launch_checked(checked: Campaign, by: str, *, on_schedule: bool) -> Mailing:
    """Of two at once, the second waits at the row and then finds the first one's mailing."""
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=checked.pk)
    if locked.mailing_id is not None:
        raise _already(locked)
    if on_schedule:
        _insist_on_schedule(locked)
    rules = audience.parse(checked.audience)
    resolved = references.resolve(rules, brand_id=checked.brand_id)
    if _meaning(locked) != _meaning(checked) or not resolved.complete:
        raise ChangedMeanwhileError(
            "The campaign, or a topic it names, was changed while it was being checked: look at it"
            " and launch again."
        )
    mailing = _make_mailing(checked, resolved.topic_groups(rules))
    Campaign.objects.filter(pk=checked.pk).update(
        mailing=mailing,
        launched_at=Now(),
        launched_by=by,
        frozen_references=resolved.references.to_json(),
        missed_at=None,
        missed_reason="",
    )
    enqueue(TaskName.PLAN_AUDIENCE, campaign_id=checked.pk)
    return mailing


def _insist_on_schedule(locked: Campaign) -> None:
    """At the last moment, by the database's clock: checks may have taken their time."""
    if locked.scheduled_at is None or locked.latest_start is None:
        raise NotScheduledError(f"Campaign {locked.pk} was unscheduled a moment ago.")
    if Campaign.objects.filter(pk=locked.pk, latest_start__lt=Clock()).exists():
        raise TooLateError(f"The latest start of campaign {locked.pk} has passed.")


class Clock(Func):
    """The time of this moment; `Now()` is that of the transaction's beginning."""

    template = "clock_timestamp()"
    output_field = DateTimeField()


def _make_mailing(campaign: Campaign, topic_groups: list[list[int]]) -> Mailing:
    template = campaign.template
    return mailings.create_bulk_mailing(
        name=campaign.name,
        sender=campaign.sender,
        mail_class=CAMPAIGN_CLASS,
        subject=template.subject,
        html=template.html,
        text=template.text,
        topic_groups=topic_groups,
    )


def _meaning(campaign: Campaign) -> tuple[object, ...]:
    return (
        campaign.brand_id,
        campaign.sender_id,
        campaign.template_id,
        campaign.name,
        campaign.audience,
    )


def _already(campaign: Campaign) -> AlreadyLaunched:
    return AlreadyLaunched(
        f"Campaign {campaign.pk} was launched by {campaign.launched_by} at"
        f" {campaign.launched_at:%Y-%m-%d %H:%M:%S} UTC; a campaign goes out once."
    )
