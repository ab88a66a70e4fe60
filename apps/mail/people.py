"""What a template sees of a contact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.mail.links import LinkTarget, unsubscribe_url
from apps.mail.rendering import RecipientContext

if TYPE_CHECKING:
    from datetime import datetime

    from apps.contacts.models import Contact
    from apps.mail.contents import MailingContent


@dataclass(frozen=True)
class Person:
    contact: dict[str, str]
    traits: dict[str, Any] = field(default_factory=dict)


NOBODY = Person(dict.fromkeys(("email", "first_name", "last_name", "locale", "timezone"), ""))
"""Somebody of whom nothing is known."""


def person(contact: Contact) -> Person:
    return Person(
        {
            "email": contact.email,
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "locale": contact.locale,
            "timezone": contact.timezone,
        },
        contact.traits,
    )


def trial_context(
    content: MailingContent, contact: Contact | None, *, now: datetime
) -> RecipientContext:
    """What a mailing's mail to this contact (None: `NOBODY`) is made from, to look at it only.

    As sealing makes it (a test compares the two), but with links that lead nowhere.
    """
    seen = NOBODY if contact is None else person(contact)
    link = unsubscribe_url(LinkTarget(contact.pk if contact else 0, 0, 0))
    return RecipientContext(
        contact=seen.contact,
        traits=seen.traits,
        brand=content.brand,
        campaign={"name": content.name},
        variables=content.variables,
        unsubscribe_url=link,
        preferences_url=link,
        now=now,
        timezone=seen.contact["timezone"] or content.timezone,
    )
