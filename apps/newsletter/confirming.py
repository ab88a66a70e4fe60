"""The link of a double opt-in: looked at without effect, and confirmed by a press of a button."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.contacts import subscribing
from apps.contacts.models import ConsentSource, ContactStatus, Topic
from apps.contacts.subscribing import Evidence
from apps.mail.links import InvalidLinkError
from apps.newsletter import join_mails, rules
from apps.newsletter.confirm_links import read_token
from apps.newsletter.models import OptIn
from apps.newsletter.noticing import contact_joined
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from apps.contacts.models import Contact
    from apps.newsletter.confirm_links import ConfirmTarget

log = structlog.get_logger(__name__)


class Standing(StrEnum):
    """How the wish stands. Only an `OPEN` one can be confirmed."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    LEFT = "left"


@dataclass(frozen=True)
class Confirmation:
    target: ConfirmTarget
    standing: Standing
    contact: Contact

    @property
    def locales(self) -> tuple[str, ...]:
        return self.contact.locale, self.contact.brand.locale


def look(token: str) -> Confirmation:
    """Reads the link and changes nothing.

    Raises `InvalidLinkError`, also where the person or their wish is gone.
    """
    target = read_token(token)
    opt_in = OptIn.objects.select_related("contact__brand").filter(pk=target.contact_id).first()
    return _standing(target, opt_in)


def confirm(token: str, *, ip: str | None) -> Confirmation:
    """Subscribes who holds the link; done once, and the same answer when asked again.

    With it go the topics that they asked for last and a welcome. Raises `InvalidLinkError`, and
    `NoSenderError` with nothing changed.
    """
    target = read_token(token)
    with transaction.atomic():
        wishes = OptIn.objects.select_related("contact__brand").select_for_update(of=("self",))
        opt_in = wishes.filter(pk=target.contact_id).first()
        found = _standing(target, opt_in)
        if found.standing is not Standing.OPEN or opt_in is None:
            return found
        _subscribe(opt_in, ip)
    log.info("contact_confirmed", contact=target.contact_id)
    return Confirmation(target, Standing.CONFIRMED, found.contact)


def _standing(target: ConfirmTarget, opt_in: OptIn | None) -> Confirmation:
    if opt_in is None or opt_in.contact.erased_at is not None:
        raise InvalidLinkError
    contact = opt_in.contact
    if opt_in.confirmed_at is not None:
        subscribed = contact.status == ContactStatus.SUBSCRIBED
        standing = Standing.CONFIRMED if subscribed else Standing.LEFT
    else:
        standing = Standing.EXPIRED if target.has_expired else Standing.OPEN
    return Confirmation(target, standing, contact)


def _subscribe(opt_in: OptIn, ip: str | None) -> None:
    contact, now = opt_in.contact, datetime.now(tz=UTC)
    evidence = Evidence(
        source=ConsentSource.LINK,
        occurred_at=now,
        detail="confirmed by link",
        text_shown=opt_in.text_shown,
        ip=ip,
        correlation_id=correlation_id(),
    )
    subscribing.confirm(contact_id=contact.pk, evidence=evidence)
    wanted = Topic.objects.of_brand(contact.brand_id).filter(pk__in=opt_in.topic_ids)
    for topic_id in wanted.order_by("pk").values_list("pk", flat=True):
        subscribing.opt_in_to_topic(contact_id=contact.pk, topic_id=topic_id, evidence=evidence)
    OptIn.objects.filter(pk=opt_in.pk).update(confirmed_at=now)
    contact_joined(contact_id=contact.pk, brand_id=contact.brand_id)
    join_mails.welcome(rules.rules_of(contact.brand), contact, opt_in)
