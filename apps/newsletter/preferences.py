"""What somebody who holds a signed link may choose: topics, a pause, leaving and coming back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction

from apps.contacts import subscribing
from apps.contacts.editing import topic_states
from apps.contacts.models import ConsentSource, Contact, ContactStatus, Topic, TopicState
from apps.contacts.subscribing import Evidence
from apps.mail.links import InvalidLinkError, Purpose, read_token
from apps.newsletter.noticing import contact_changed, contact_joined, contact_left
from apps.newsletter.problems import NewsletterError
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.mail.links import LinkTarget

log = structlog.get_logger(__name__)


class UnknownChoiceError(NewsletterError):
    """The brand shows no such topic. The message names it."""


@dataclass(frozen=True)
class Choice:
    """A topic that people see, and whether this person wants it."""

    id: int
    slug: str
    name: str
    description: str
    is_chosen: bool


@dataclass(frozen=True)
class Preferences:
    """What a page shows; nothing in it says whose it is."""

    target: LinkTarget
    contact: Contact
    topics: tuple[Choice, ...]

    @property
    def status(self) -> str:
        return self.contact.status

    @property
    def is_subscribed(self) -> bool:
        return self.contact.status == ContactStatus.SUBSCRIBED

    @property
    def paused_until(self) -> datetime | None:
        until = self.contact.paused_until
        return until if until is not None and until > datetime.now(tz=UTC) else None

    @property
    def brand(self) -> str:
        return self.contact.brand.name

    @property
    def locales(self) -> tuple[str, ...]:
        return self.contact.locale, self.contact.brand.locale


@dataclass(frozen=True)
class Wish:
    """What to change, by slug of topics; None and what is not named stay as they are."""

    topics: Mapping[str, bool] = field(default_factory=dict)
    paused: bool | None = None
    subscribed: bool | None = None


def look(token: str) -> Preferences:
    """Reads the link and changes nothing. Raises `InvalidLinkError`, also where nobody is left."""
    target = read_token(token, Purpose.PREFERENCES)
    people = Contact.objects.select_related("brand").filter(erased_at=None)
    contact = people.filter(pk=target.contact_id).first()
    if contact is None:
        raise InvalidLinkError
    return Preferences(target, contact, _choices(contact))


def _choices(contact: Contact) -> tuple[Choice, ...]:
    states = topic_states(contact.pk)
    shown = Topic.objects.of_brand(contact.brand_id).filter(is_public=True).order_by("name", "pk")
    return tuple(
        Choice(
            topic.pk,
            topic.slug,
            topic.name,
            topic.description,
            states.get(topic.pk) == TopicState.OPT_IN,
        )
        for topic in shown
    )


def change(found: Preferences, wish: Wish, *, ip: str | None) -> None:
    """All of the wish in one transaction, each part with its consent record.

    Raises `UnknownChoiceError` with nothing changed, and UnknownContactError.
    """
    known = {one.slug: one for one in found.topics}
    if unknown := sorted(set(wish.topics) - set(known)):
        raise UnknownChoiceError(f"The brand shows no topic {', '.join(unknown)}.")
    evidence = _evidence(found, ip)
    contact = found.contact
    with transaction.atomic():
        changed = [
            _choose(contact.pk, known[slug], wanted=wanted, evidence=evidence)
            for slug, wanted in sorted(wish.topics.items())
        ]
        if wish.paused is not None:
            _pause(contact.pk, pause=wish.paused, evidence=evidence)
        if wish.subscribed is not None:
            _belong(contact, belong=wish.subscribed, evidence=evidence)
        if any(changed):
            contact_changed(contact_id=contact.pk)
    log.info("preferences_changed", contact=contact.pk, topics=sum(changed))


def _choose(contact_id: int, choice: Choice, *, wanted: bool, evidence: Evidence) -> bool:
    """A topic that they never wanted is not left either."""
    if wanted:
        return subscribing.opt_in_to_topic(
            contact_id=contact_id, topic_id=choice.id, evidence=evidence
        )
    return choice.is_chosen and subscribing.unsubscribe_from_topic(
        contact_id=contact_id, topic_id=choice.id, evidence=evidence
    )


def _pause(contact_id: int, *, pause: bool, evidence: Evidence) -> None:
    if pause:
        until = evidence.occurred_at + timedelta(days=settings.PAUSE_DAYS)
        subscribing.pause(contact_id=contact_id, until=until, evidence=evidence)
    else:
        subscribing.end_pause(contact_id=contact_id, evidence=evidence)


def _belong(contact: Contact, *, belong: bool, evidence: Evidence) -> None:
    turn = subscribing.confirm if belong else subscribing.unsubscribe
    if turn(contact_id=contact.pk, evidence=evidence):
        tell = contact_joined if belong else contact_left
        tell(contact_id=contact.pk, brand_id=contact.brand_id)


def _evidence(found: Preferences, ip: str | None) -> Evidence:
    target = found.target
    return Evidence(
        source=ConsentSource.PREFERENCES,
        occurred_at=datetime.now(tz=UTC),
        detail=f"mailing {target.mailing_id}, message {target.message_id}",
        ip=ip,
        correlation_id=correlation_id(),
    )
