"""Adding and editing people by hand, field by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.db import transaction

from apps.contacts import subscribing
from apps.contacts.addresses import normalise
from apps.contacts.errors import (
    ContactExistsError,
    ErasedContactError,
    InvalidFieldError,
    UnknownContactError,
)
from apps.contacts.importing.columns import TRAIT_KEY_LIMIT
from apps.contacts.importing.people import (
    TRAIT_LIMIT,
    TRAITS_LIMIT_BYTES,
    RowFaultError,
    read_locale,
    read_timezone,
)
from apps.contacts.models import Contact, TopicState, TopicSubscription
from apps.contacts.models.contact import NAME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from apps.contacts.subscribing import Evidence

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Details:
    """What a person's row says besides address and status."""

    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    timezone: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)


def checked(details: Details) -> Details:
    """As it will be stored. Raises InvalidFieldError for the first field that cannot be."""
    return Details(
        first_name=_checked_name("first_name", details.first_name),
        last_name=_checked_name("last_name", details.last_name),
        locale=_read("locale", details.locale),
        timezone=_read("timezone", details.timezone),
        traits=_checked_traits(details.traits),
    )


def add_contact(
    *, brand_id: int, email: str, details: Details, evidence: Evidence, pending: bool
) -> int:
    """A new contact's id; subscribed, or pending until they confirm.

    Raises InvalidAddressError, InvalidFieldError, ErasedAddressError, or ContactExistsError, so
    that nobody who left is subscribed again by mistake.
    """
    known = checked(details)
    address = normalise(email).address
    with transaction.atomic():
        subscribed = subscribing.subscribe(
            brand_id=brand_id, email=email, evidence=evidence, pending=pending
        )
        if not subscribed.created:
            found = Contact.objects.get(brand_id=brand_id, address=address)
            raise ContactExistsError(found.pk)
        _write(subscribed.contact_id, known, now=evidence.occurred_at)
    log.info("contact_added", contact=subscribed.contact_id, brand=brand_id)
    return subscribed.contact_id


def edit_contact(*, contact_id: int, details: Details, now: datetime) -> bool:
    """Whether that changed anything.

    Raises InvalidFieldError, UnknownContactError, ErasedContactError.
    """
    known = checked(details)
    with transaction.atomic():
        contact = Contact.objects.select_for_update(no_key=True).filter(pk=contact_id).first()
        if contact is None:
            raise UnknownContactError("The contact does not exist any more.")
        if contact.erased_at:
            raise ErasedContactError("The person had all traces removed: nothing can be added.")
        before = Details(
            contact.first_name, contact.last_name, contact.locale, contact.timezone, contact.traits
        )
        if before == known:
            return False
        _write(contact_id, known, now=now)
    return True


def set_topic(*, contact_id: int, topic_id: int, state: TopicState, evidence: Evidence) -> bool:
    """The person's word on one topic, as an operator was told it. Whether it changed anything.

    Raises UnknownContactError.
    """
    if state == TopicState.OPT_OUT:
        return subscribing.unsubscribe_from_topic(
            contact_id=contact_id, topic_id=topic_id, evidence=evidence
        )
    return subscribing.opt_in_to_topic(contact_id=contact_id, topic_id=topic_id, evidence=evidence)


def topic_states(contact_id: int) -> dict[int, TopicState]:
    """The contact's word on each topic they were asked about."""
    found = TopicSubscription.objects.filter(contact_id=contact_id).values_list("topic", "state")
    return {topic_id: TopicState(state) for topic_id, state in found}


def _write(contact_id: int, details: Details, *, now: datetime) -> None:
    Contact.objects.filter(pk=contact_id).update(
        first_name=details.first_name,
        last_name=details.last_name,
        locale=details.locale,
        timezone=details.timezone,
        traits=details.traits,
        updated_at=now,
    )


def _checked_name(name: str, text: str) -> str:
    words = " ".join(text.split())
    if len(words) > NAME_LIMIT:
        raise InvalidFieldError(
            name, f"{len(words):,} characters, at most {NAME_LIMIT} are kept: shorten it."
        )
    return words


def _read(name: str, text: str) -> str:
    reader = read_locale if name == "locale" else read_timezone
    try:
        return reader(text.strip())
    except RowFaultError:
        examples = "en, de-AT or pt-BR" if name == "locale" else "Europe/Berlin (IANA list)"
        raise InvalidFieldError(name, f"This is none: write it like {examples}.") from None


def _checked_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in traits.items():
        if not key.strip() or len(key) > TRAIT_KEY_LIMIT:
            raise InvalidFieldError(
                "traits", f"A trait needs a name of at most {TRAIT_KEY_LIMIT} characters."
            )
        if isinstance(value, str) and len(value) > TRAIT_LIMIT:
            raise InvalidFieldError(
                "traits",
                f"“{key}” has {len(value):,} characters, at most {TRAIT_LIMIT:,} are kept.",
            )
    size = len(orjson.dumps(traits))
    if size > TRAITS_LIMIT_BYTES:
        raise InvalidFieldError(
            "traits",
            f"The traits take {size:,} bytes together, at most {TRAITS_LIMIT_BYTES:,} are kept: "
            "remove some.",
        )
    return dict(traits)
