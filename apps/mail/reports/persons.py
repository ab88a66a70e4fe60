"""All mail of one contact: what they got, and why they did not get the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

PAGE_SIZE = 25


@dataclass(frozen=True)
class PersonMail:
    """One message to the contact. `delivery` is a `Message.Delivery`."""

    message_id: int
    mailing_id: int
    mailing: str
    mailing_kind: str
    state: str
    reason: str
    delivery: int
    created_at: datetime
    settled_at: datetime | None
    delivery_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    machine_opened_at: datetime | None
    machine_clicked_at: datetime | None


@dataclass(frozen=True)
class PersonPage:
    """`next_before` is what to pass as `before` for the older ones; None on the last page."""

    mails: Sequence[PersonMail]
    next_before: int | None


# Ids rise in all partitions together: the newest are the ends of their indexes on the contact.
_MAILS = """
SELECT message.id, message.mailing_id, mailing.name, mailing.kind, message.state, message.reason,
       message.delivery, message.created_at, message.settled_at, message.delivery_at,
       message.opened_at, message.clicked_at, message.machine_opened_at,
       message.machine_clicked_at
  FROM (SELECT * FROM mail_message
         WHERE contact_id = %(contact)s AND id < %(before)s
         ORDER BY id DESC LIMIT %(limit)s) message
  JOIN mail_mailing mailing ON mailing.id = message.mailing_id
 ORDER BY message.id DESC
"""


def mail_of_contact(
    *, contact_id: int, before: int | None = None, size: int = PAGE_SIZE
) -> PersonPage:
    """The newest first, skipped ones too; one query along an index, in every partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MAILS,
            {
                "contact": contact_id,
                "before": 2**63 - 1 if before is None else before,
                "limit": size + 1,
            },
        )
        mails = [PersonMail(*row) for row in cursor.fetchall()]
    shown = mails[:size]
    return PersonPage(shown, shown[-1].message_id if len(mails) > size else None)
