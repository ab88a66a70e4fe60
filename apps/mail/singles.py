"""Single mails: welcome, confirmation, receipts. They go ahead of bulk, through the same door.

A stream (one mailing per brand, name and month) holds them. Those that come close together share
a batch, because the provider counts calls and not mails.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.mail.errors import DuplicateKeyError
from apps.mail.mailings import MESSAGE_TABLE, _this_month
from apps.mail.models import Content, Mailing, Message
from apps.queues import partitions
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from datetime import date

    from apps.brands.models import Sender
    from apps.contacts.eligibility import MailClass
    from apps.contacts.models import Contact
    from apps.mail.models import Template


def open_stream(
    *, template: Template, sender: Sender, mail_class: MailClass, name: str = ""
) -> Mailing:
    """This month's stream, with template and sender as they are now.

    Named after the template unless told otherwise: streams of one name share a mail class. Where
    the sender has moved to another account there is a second stream, for what waits in the first
    stays with its account. One statement where nothing has changed.
    """
    month = _this_month()
    name = name or template.slug
    stream = _known_stream(template.brand_id, name, month)
    if stream is not None and stream.account_id != sender.account_id:
        name = f"{name} (account {sender.account_id})"
        stream = _known_stream(template.brand_id, name, month)
    if stream is not None and _is_current(stream, template, sender):
        return stream
    partitions.ensure_partitions(MESSAGE_TABLE, around=month)
    now = {"sender": sender, "account_id": sender.account_id, "content": _content(template)}
    stream, _ = Mailing.objects.update_or_create(
        kind=Mailing.Kind.STREAM,
        brand_id=template.brand_id,
        name=name,
        month=month,
        defaults=now,
        create_defaults={**now, "mail_class": mail_class, "audience_completed_at": Now()},
    )
    return stream


def _known_stream(brand_id: int, name: str, month: date) -> Mailing | None:
    streams = Mailing.objects.filter(kind=Mailing.Kind.STREAM, brand_id=brand_id)
    return streams.select_related("content").filter(name=name, month=month).first()


def _is_current(stream: Mailing, template: Template, sender: Sender) -> bool:
    content = stream.content
    return stream.sender_id == sender.pk and (
        (content.subject, content.html, content.text)
        == (template.subject, template.html, template.text)
    )


def send_single(
    *, stream: Mailing, contact: Contact, idempotency_key: str, variables: dict[str, Any]
) -> Message:
    """Writes the mail down and wakes a sender; the provider is called later, by a worker.

    The same key for the same contact returns the first message and sends nothing again; for
    another contact it raises `DuplicateKeyError`.
    """
    with transaction.atomic():
        message, created = Message.objects.of(stream).get_or_create(
            idempotency_key=idempotency_key,
            defaults={
                "month": stream.month,
                "mailing": stream,
                "contact_id": contact.pk,
                "address": contact.address,
                "variables": variables,
                "due_at": Now() + timedelta(milliseconds=settings.SINGLE_GATHER_MS),
            },
        )
        if message.contact_id != contact.pk:
            raise DuplicateKeyError(
                "The idempotency key belongs to a mail to somebody else; use a new one."
            )
        if created:
            enqueue(TaskName.SEND_SINGLES, account_id=stream.account_id)
    return message


def _content(template: Template) -> Content:
    texts = {
        "subject": template.subject,
        "html": template.html,
        "text": template.text,
        "variables": {},
    }
    return Content.objects.filter(**texts).first() or Content.objects.create(**texts)
