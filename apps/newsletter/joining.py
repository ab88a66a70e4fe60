"""Joining: what the person asked for, confirmed by them where the brand wants that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from django.db import transaction

from apps.contacts import digests, editing, subscribing
from apps.contacts.addresses import normalise
from apps.contacts.editing import Details
from apps.contacts.models import Contact, ContactStatus, TopicState, TopicSubscription
from apps.newsletter import join_mails, rules
from apps.newsletter.models import OptIn
from apps.newsletter.noticing import contact_changed, contact_joined

if TYPE_CHECKING:
    from collections.abc import Collection

    from apps.brands.models import Brand
    from apps.contacts.subscribing import Evidence
    from apps.newsletter.models import JoiningRules

log = structlog.get_logger(__name__)


class Joining(StrEnum):
    """What a wish to join came to."""

    JOINED = "joined"
    ASKED = "asked to confirm"
    KNOWN = "was subscribed"
    ERASED = "is erased"


@dataclass(frozen=True)
class Joined:
    """`contact_id` is None of people who had all traces removed: nothing is written of them."""

    outcome: Joining
    contact_id: int | None = None


@dataclass(frozen=True)
class _Wish:
    chosen: JoiningRules
    email: str
    topics: list[int]
    details: Details | None
    evidence: Evidence


def subscribe(
    *,
    brand: Brand,
    email: str,
    evidence: Evidence,
    topic_ids: Collection[int] = (),
    details: Details | None = None,
) -> Joined:
    """Does what somebody who gave this address wants; calls no provider.

    With double opt-in nothing of a known person changes before they confirm: who has left stays
    away, and their row says so; only the wish is kept. Somebody subscribed is sent nothing, and
    joins topics they never spoke about, but none that they have left. Without double opt-in the
    wish holds at once. Details are written of people who are new or not confirmed yet.

    One transaction. Raises InvalidAddressError, InvalidFieldError, NoSenderError.
    """
    address = normalise(email).address
    chosen = rules.rules_of(brand)
    topics = rules.joined_topics(chosen, list(topic_ids))
    with transaction.atomic():
        digests.lock_addresses([address])
        if digests.find_erased([address]):
            log.info("join_of_erased", brand=brand.pk)
            return Joined(Joining.ERASED)
        known = Contact.objects.select_for_update().filter(brand=brand, address=address).first()
        wish = _Wish(chosen, email, topics, details, evidence)
        joined = (_ask if chosen.double_opt_in else _join_at_once)(wish, known)
    log.info("join_worked", contact=joined.contact_id, outcome=joined.outcome.name.lower())
    return joined


def _join_at_once(wish: _Wish, known: Contact | None) -> Joined:
    chosen, evidence = wish.chosen, wish.evidence
    is_news = known is None or bool(set(wish.topics) - _opted_in(known, wish.topics))
    done = subscribing.subscribe(
        brand_id=chosen.brand_id, email=wish.email, evidence=evidence, topic_ids=wish.topics
    )
    if known is not None and known.status == ContactStatus.SUBSCRIBED:
        if is_news:
            contact_changed(contact_id=known.pk)
        return Joined(Joining.KNOWN, known.pk)
    if known is None or known.status == ContactStatus.PENDING:
        _write_details(done.contact_id, wish.details, evidence)
    opt_in = keep_wish(done.contact_id, wish.topics, evidence, is_confirmed=True)
    contact_joined(contact_id=done.contact_id, brand_id=chosen.brand_id)
    join_mails.welcome(chosen, Contact.objects.get(pk=done.contact_id), opt_in)
    return Joined(Joining.JOINED, done.contact_id)


def _ask(wish: _Wish, known: Contact | None) -> Joined:
    chosen, evidence = wish.chosen, wish.evidence
    if known is not None and known.status == ContactStatus.SUBSCRIBED:
        _join_new_topics(known, wish.topics, evidence)
        return Joined(Joining.KNOWN, known.pk)
    if known is None:
        done = subscribing.subscribe(
            brand_id=chosen.brand_id, email=wish.email, evidence=evidence, pending=True
        )
        contact_id = done.contact_id
    else:
        contact_id = known.pk
    if known is None or known.status == ContactStatus.PENDING:
        _write_details(contact_id, wish.details, evidence)
    opt_in = keep_wish(contact_id, wish.topics, evidence, is_confirmed=False)
    asked = join_mails.ask_to_confirm(chosen, Contact.objects.get(pk=contact_id), opt_in)
    if asked and known is not None:  # of new ones it was written above
        subscribing.note_wish(contact_id=contact_id, evidence=evidence)
    return Joined(Joining.ASKED, contact_id)


def keep_wish(
    contact_id: int, topics: list[int], evidence: Evidence, *, is_confirmed: bool
) -> OptIn:
    """The newest wish replaces the one before; the count of mails stays."""
    wish = {
        "topic_ids": topics,
        "text_shown": evidence.text_shown,
        "ip": evidence.ip,
        "source": evidence.source,
        "detail": evidence.detail,
        "correlation_id": evidence.correlation_id,
        "asked_at": evidence.occurred_at,
        "confirmed_at": evidence.occurred_at if is_confirmed else None,
    }
    opt_in = OptIn(contact_id=contact_id, **wish)
    OptIn.objects.bulk_create(
        [opt_in], update_conflicts=True, unique_fields=["contact"], update_fields=list(wish)
    )
    return opt_in


def _opted_in(contact: Contact, topics: list[int]) -> set[int]:
    wanted = TopicSubscription.objects.filter(contact=contact, topic__in=topics)
    return set(wanted.filter(state=TopicState.OPT_IN).values_list("topic_id", flat=True))


def _join_new_topics(contact: Contact, topics: list[int], evidence: Evidence) -> None:
    """Those they never spoke about: anybody may give an address, so nothing left comes back."""
    spoken = set(
        TopicSubscription.objects.filter(contact=contact, topic__in=topics).values_list(
            "topic_id", flat=True
        )
    )
    for topic_id in sorted(set(topics) - spoken):
        subscribing.opt_in_to_topic(contact_id=contact.pk, topic_id=topic_id, evidence=evidence)
    if set(topics) - spoken:
        contact_changed(contact_id=contact.pk)


def _write_details(contact_id: int, details: Details | None, evidence: Evidence) -> None:
    """What was left out stays as it is."""
    if details is None or details == Details():
        return
    contact = Contact.objects.get(pk=contact_id)
    told = editing.checked(details)
    editing.edit_contact(
        contact_id=contact_id,
        details=editing.Details(
            told.first_name or contact.first_name,
            told.last_name or contact.last_name,
            told.locale or contact.locale,
            told.timezone or contact.timezone,
            {**contact.traits, **told.traits},
        ),
        now=evidence.occurred_at,
    )
