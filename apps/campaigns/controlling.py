"""Steering a launched campaign: pause, resume, cancel, retry the failed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.campaigns.errors import NotLaunchedError
from apps.campaigns.models import Campaign
from apps.mail import mailings, regrouping
from apps.mail.models import Mailing
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.brands.models import ProviderAccount

log = structlog.get_logger(__name__)


def pause(*, campaign_id: int, by: str, reason: str = "") -> None:
    """A second later nothing new is planned or claimed. Raises `mail.errors.StateError`."""
    mailing_id = _mailing_of(campaign_id)
    mailings.pause(mailing_id=mailing_id, reason=_said(by, reason))
    log.info("campaign_paused", campaign=campaign_id, mailing=mailing_id, by=by, reason=reason)


def resume(*, campaign_id: int, by: str) -> None:
    """Goes on with planning and sending where it stopped. Raises `mail.errors.StateError`."""
    mailing_id = _mailing_of(campaign_id)
    with transaction.atomic():
        mailings.resume(mailing_id=mailing_id)
        enqueue(TaskName.PLAN_AUDIENCE, campaign_id=campaign_id)
    log.info("campaign_resumed", campaign=campaign_id, mailing=mailing_id, by=by)


def cancel(*, campaign_id: int, by: str, reason: str = "") -> None:
    """Ends it for good: who was not called yet gets nothing. Raises `mail.errors.StateError`."""
    mailing_id = _mailing_of(campaign_id)
    mailings.cancel(mailing_id=mailing_id, reason=_said(by, reason))
    log.info("campaign_cancelled", campaign=campaign_id, mailing=mailing_id, by=by, reason=reason)


def retry_failed(*, campaign_id: int, by: str, reasons: Sequence[str] | None = None) -> int:
    """Sends again to those who surely got nothing because it failed; returns how many.

    `reasons` narrows it down; see `mail.results`. Raises `mail.errors.StateError`.
    """
    mailing_id = _mailing_of(campaign_id)
    retried = regrouping.retry_failed(mailing_id=mailing_id, reasons=reasons)
    log.info(
        "campaign_failed_retried",
        campaign=campaign_id,
        mailing=mailing_id,
        by=by,
        reasons=None if reasons is None else list(reasons),
        messages=retried,
    )
    return retried


def paused_by_account(account: ProviderAccount) -> list[str]:
    """What was paused when the account was stopped, for whoever starts it again."""
    paused = Mailing.objects.select_related("campaign").filter(
        account=account, state=Mailing.State.PAUSED, state_reason=account.stopped_reason
    )
    return [_described(mailing) for mailing in paused.order_by("pk")]


def _described(mailing: Mailing) -> str:
    if hasattr(mailing, "campaign"):
        return f"campaign {mailing.campaign.pk} ({mailing.name})"
    return f"mailing {mailing.pk} ({mailing.name})"


def _mailing_of(campaign_id: int) -> int:
    campaign = Campaign.objects.only("mailing_id").get(pk=campaign_id)
    if campaign.mailing_id is None:
        raise NotLaunchedError(f"Campaign {campaign_id} is a draft; launch it first.")
    return campaign.mailing_id


def _said(by: str, reason: str) -> str:
    return f"{by}: {reason}" if reason else f"by {by}"
