"""Specimens: a mail as it would look for a contact, sent to somebody else to look at.

They travel in a stream of single mails of their own, have no contact, and count in no results.
Whose data they show is written down by id and read when the mail is made.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.contacts.eligibility import MailClass
from apps.contacts.models import Contact
from apps.mail.mailings import MESSAGE_TABLE, _this_month
from apps.mail.models import Content, Mailing, Message
from apps.mail.people import Person, person
from apps.queues import partitions
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apps.brands.models import Sender

_CONTACT, _CAMPAIGN = "shown_as_contact", "campaign_name"


@dataclass(frozen=True)
class Specimen:
    """What one shows: a contact's data (None: nobody's), and the name of the campaign."""

    contact_id: int | None
    campaign_name: str


def send_specimens(  # noqa: PLR0913 - a mail in parts, all by keyword
    *,
    stream_name: str,
    sender: Sender,
    subject: str,
    html: str,
    text: str,
    addresses: Sequence[str],
    specimen: Specimen,
) -> list[Message]:
    """Writes a mail for each look-up address and wakes a sender; one stream per name and month.

    The subject and texts are Liquid and replace the stream's: specimens of one name that still
    wait are made from the newest.
    """
    with transaction.atomic():
        content = Content.objects.create(subject=subject, html=html, text=text)
        stream = _stream(stream_name, sender, content)
        messages = [_message(stream, address, specimen) for address in addresses]
        enqueue(TaskName.SEND_SINGLES, account_id=sender.account_id)
    return messages


def _stream(name: str, sender: Sender, content: Content) -> Mailing:
    month = _this_month()
    partitions.ensure_partitions(MESSAGE_TABLE, around=month)
    now = {"sender": sender, "account_id": sender.account_id, "content": content}
    stream, _ = Mailing.objects.update_or_create(
        kind=Mailing.Kind.STREAM,
        brand_id=sender.brand_id,
        name=name,
        month=month,
        defaults=now,
        create_defaults={
            **now,
            "mail_class": MailClass.TRANSACTIONAL,
            "is_specimen": True,
            "audience_completed_at": Now(),
        },
    )
    return stream


def _message(stream: Mailing, address: str, specimen: Specimen) -> Message:
    return Message.objects.create(
        month=stream.month,
        mailing=stream,
        address=address,
        idempotency_key=f"specimen-{uuid.uuid4().hex}",
        variables={_CONTACT: specimen.contact_id, _CAMPAIGN: specimen.campaign_name},
        due_at=Now() + timedelta(milliseconds=settings.SINGLE_GATHER_MS),
    )


def read(variables: dict[str, Any]) -> Specimen:
    """From the variables of a message that has no contact."""
    return Specimen(variables.get(_CONTACT), variables.get(_CAMPAIGN, ""))


def people(contact_ids: Iterable[int | None]) -> dict[int, Person]:
    """By id; whoever was erased since is left out. One query."""
    wanted = {one for one in contact_ids if one is not None}
    found = Contact.objects.filter(pk__in=wanted, erased_at=None)
    return {contact.pk: person(contact) for contact in found}
