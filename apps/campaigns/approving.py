"""A second person's approval, where the brand asks for one.

It holds for the campaign as it was: every edit of name, sender, audience or texts withdraws it,
because the fingerprint is another one then.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.campaigns.errors import AlreadyLaunched, ApprovalError
from apps.campaigns.fingerprints import fingerprint
from apps.campaigns.models import Approval, Campaign

if TYPE_CHECKING:
    from collections.abc import Collection

log = structlog.get_logger(__name__)

NOTE_LIMIT = 500


class Standing(StrEnum):
    """Where a campaign stands with its approval."""

    NOT_ASKED = "not asked for"
    OPEN = "waiting for a decision"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn by an edit"


@dataclass(frozen=True)
class ApprovalStatus:
    """`latest` is the last request, whatever became of it."""

    standing: Standing
    latest: Approval | None = None


def status(campaign: Campaign) -> ApprovalStatus:
    """One query; expects a campaign read `with_parts`."""
    latest = campaign.approvals.order_by("-pk").first()
    if latest is None:
        return ApprovalStatus(Standing.NOT_ASKED)
    if latest.fingerprint != fingerprint(campaign):
        return ApprovalStatus(Standing.WITHDRAWN, latest)
    return ApprovalStatus(_STANDINGS[Approval.Decision(latest.decision)], latest)


_STANDINGS = {
    Approval.Decision.OPEN: Standing.OPEN,
    Approval.Decision.APPROVED: Standing.APPROVED,
    Approval.Decision.DECLINED: Standing.DECLINED,
}


def request_approval(*, campaign_id: int, actor: str) -> Approval:
    """Asks for the campaign as it is now; a request that an edit has overtaken is replaced.

    Raises `ApprovalError` where it is approved already or such a request is open.
    """
    with transaction.atomic():
        campaign = _locked(campaign_id)
        standing = status(campaign).standing
        if standing in (Standing.OPEN, Standing.APPROVED):
            raise ApprovalError(f"The campaign is {standing} as it is: there is nothing to ask.")
        campaign.approvals.filter(decision=Approval.Decision.OPEN).update(
            decision=Approval.Decision.DECLINED,
            decided_at=Now(),
            decided_by=actor,
            note="Overtaken by an edit.",
        )
        approval = Approval.objects.create(
            campaign=campaign, fingerprint=fingerprint(campaign), requested_by=actor
        )
    log.info("approval_requested", campaign=campaign_id, by=actor)
    return approval


def approve(*, campaign_id: int, seen: str, actor: str, note: str = "") -> Approval:
    """Approves what the approver has `seen`, by its fingerprint.

    Raises `ApprovalError` for whoever asked for it or wrote any of it, where nobody asked, and
    where it was edited since it was shown.
    """
    return _decide(campaign_id, seen, actor, Approval.Decision.APPROVED, note)


def decline(*, campaign_id: int, seen: str, actor: str, note: str) -> Approval:
    """Sends it back with a note that says why. Raises `ApprovalError`."""
    if not note.strip():
        raise ApprovalError("note: say what should be changed.")
    return _decide(campaign_id, seen, actor, Approval.Decision.DECLINED, note)


def _decide(
    campaign_id: int, seen: str, actor: str, decision: Approval.Decision, note: str
) -> Approval:
    with transaction.atomic():
        campaign = _locked(campaign_id)
        found = status(campaign)
        if found.latest is None or found.standing is not Standing.OPEN:
            raise ApprovalError(f"There is nothing to decide: approval is {found.standing}.")
        if seen != found.latest.fingerprint:
            raise ApprovalError("The campaign was edited since it was shown: look at it again.")
        if decision is Approval.Decision.APPROVED:
            _insist_on_second_person(actor, {found.latest.requested_by, *campaign.authors})
        approval = found.latest
        approval.decision, approval.note = decision, note[:NOTE_LIMIT]
        approval.decided_by, approval.decided_at = actor, Now()
        approval.save()
    log.info("approval_decided", campaign=campaign_id, by=actor, decision=decision)
    approval.refresh_from_db()
    return approval


def _insist_on_second_person(actor: str, first: Collection[str]) -> None:
    if _who(actor) in map(_who, first):
        raise ApprovalError(
            "A second person must approve: you asked for it, or wrote some of it yourself."
        )


def _who(actor: str) -> str:
    """`user:5` of `user:5 anna`: a log-in name may be changed, the number stays."""
    kind, _, rest = actor.partition(":")
    return f"{kind}:{rest.partition(' ')[0]}" if kind in ("user", "key") else actor


def _locked(campaign_id: int) -> Campaign:
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    if campaign.mailing_id is not None:
        raise AlreadyLaunched(f"Campaign {campaign_id} was launched: there is nothing to approve.")
    return campaign
