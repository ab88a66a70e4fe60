"""Leaving with one click: by the button of the mail client, or by the link in the mail.

Who holds the link may leave, without logging in; nobody learns anything else from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.contacts import subscribing
from apps.contacts.errors import UnknownContactError
from apps.contacts.models import Contact, ContactStatus
from apps.mail.links import read_token
from apps.mail.models import Mailing
from apps.newsletter.noticing import contact_left
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from apps.contacts.models import ConsentSource
    from apps.mail.links import LinkTarget

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Leaver:
    """Who came with a link, and what a page shows them. Texts are empty where nothing is known.

    `locales` are language tags, the best first. `has_left` is also true of people who are gone.
    """

    target: LinkTarget
    has_left: bool
    locales: tuple[str, ...] = ()
    brand_name: str = ""
    postal_address: str = ""
    website: str = ""
    reply_address: str = ""


def identify(token: str) -> Leaver:
    """Reads the link and changes nothing. Raises `InvalidLinkError`."""
    target = read_token(token)
    contact = Contact.objects.filter(pk=target.contact_id, erased_at=None).first()
    mailing = Mailing.objects.select_related("brand", "sender").filter(pk=target.mailing_id).first()
    left = contact is None or contact.status == ContactStatus.UNSUBSCRIBED
    locale = contact.locale if contact else ""
    if mailing is None:
        return Leaver(target, left, (locale,))
    brand, sender = mailing.brand, mailing.sender
    return Leaver(
        target=target,
        has_left=left,
        locales=(locale, brand.locale),
        brand_name=brand.name,
        postal_address=brand.postal_address,
        website=brand.website,
        reply_address=sender.reply_to or sender.email,
    )


def leave(target: LinkTarget, *, source: ConsentSource) -> bool:
    """Unsubscribes at once, with a consent record; whether that changed anything.

    Somebody who is gone altogether has left: that is no error.
    """
    evidence = subscribing.Evidence(
        source=source,
        occurred_at=datetime.now(tz=UTC),
        detail=f"mailing {target.mailing_id}, message {target.message_id}",
        correlation_id=correlation_id(),
    )
    try:
        changed = _unsubscribe(target.contact_id, evidence)
    except UnknownContactError:
        changed = False
    log.info(
        "contact_left",
        contact=target.contact_id,
        mailing=target.mailing_id,
        source=source,
        changed=changed,
    )
    return changed


def _unsubscribe(contact_id: int, evidence: subscribing.Evidence) -> bool:
    with transaction.atomic():
        changed = subscribing.unsubscribe(contact_id=contact_id, evidence=evidence)
        if changed:
            brand_id = Contact.objects.values_list("brand_id", flat=True).get(pk=contact_id)
            contact_left(contact_id=contact_id, brand_id=brand_id)
    return changed
