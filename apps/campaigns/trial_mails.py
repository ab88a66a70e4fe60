"""Test mails: the draft as some contact would get it, sent to a few typed addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from apps.campaigns.errors import InvalidTestError
from apps.campaigns.models import Campaign
from apps.campaigns.sampling import draft_content, sampled
from apps.contacts import eligibility
from apps.contacts.addresses import normalise
from apps.contacts.eligibility import MailClass
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import Contact
from apps.mail import specimens
from apps.mail.rendering import RenderingError
from apps.mail.specimens import Specimen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.mail.models import Message

log = structlog.get_logger(__name__)

MOST_ADDRESSES = 10
SUBJECT_PREFIX = "[Test] "


def send_test(
    *, campaign_id: int, addresses: Sequence[str], contact_id: int | None, actor: str
) -> list[Message]:
    """Sends the draft as `contact_id` would get it (None: somebody of whom nothing is known).

    Goes ahead of bulk, under the subject `[Test] …`; its links lead nobody out, and it counts in no
    result. Raises `InvalidTestError` for addresses that are not right or must not be mailed, for a
    contact of another brand, and for a mail that cannot be made.
    """
    campaign = Campaign.objects.with_parts().get(pk=campaign_id)
    typed = _addresses(addresses)
    _insist_on_reachable(typed, campaign)
    _insist_on_mail(campaign, contact_id)
    template = campaign.template
    messages = specimens.send_specimens(
        stream_name=f"test of campaign {campaign_id}",
        sender=campaign.sender,
        subject=SUBJECT_PREFIX + template.subject,
        html=template.html,
        text=template.text,
        addresses=typed,
        specimen=Specimen(contact_id, campaign.name),
    )
    log.info("test_sent", campaign=campaign_id, mails=len(messages), by=actor)
    return messages


def _addresses(typed: Sequence[str]) -> list[str]:
    found = []
    for number, one in enumerate((one for one in typed if one.strip()), start=1):
        try:
            found.append(normalise(one).address)
        except InvalidAddressError as error:
            raise InvalidTestError(f"addresses: number {number}: {error}") from error
    unique = list(dict.fromkeys(found))
    if not 0 < len(unique) <= MOST_ADDRESSES:
        raise InvalidTestError(f"addresses: give 1 to {MOST_ADDRESSES}; found {len(unique)}.")
    return unique


def _insist_on_reachable(addresses: list[str], campaign: Campaign) -> None:
    blocked = eligibility.blocked_addresses(addresses, campaign.brand, MailClass.TRANSACTIONAL)
    if blocked:
        told = "; ".join(f"{address}: {reason.label}" for address, reason in blocked.items())
        raise InvalidTestError(f"addresses: must not be mailed: {told}.")


def _insist_on_mail(campaign: Campaign, contact_id: int | None) -> None:
    try:
        content = draft_content(campaign, MailClass.TRANSACTIONAL)
        if contact_id is None:
            return
        if not Contact.objects.of_brand(campaign.brand_id).filter(pk=contact_id).exists():
            raise InvalidTestError("contact: choose one of this brand's.")
        for person in sampled(content, [contact_id]):
            content.template.render(person.context)
    except RenderingError as error:
        raise InvalidTestError(f"The mail cannot be made: {error}.") from error
