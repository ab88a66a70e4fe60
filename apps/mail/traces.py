"""What this room keeps of one person: the mails they got, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection
from django.urls import reverse

from apps.contacts.traces import Moment, Traces
from apps.mail.reports.persons import mail_of_contact
from apps.mail.reports.wording import reason_in_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from apps.contacts.models import Contact
    from apps.mail.reports.persons import PersonMail

EXPORTED_AT_MOST = 10_000


def moments(contact: Contact, most: int) -> Iterator[Moment]:
    for one in mail_of_contact(contact_id=contact.pk, size=most).mails:
        yield from _of_mail(one)


def _of_mail(one: PersonMail) -> Iterator[Moment]:
    link = reverse("admin:mail_mailing_message", args=[one.mailing_id, one.message_id])
    name = (("mail", one.mailing),)
    if one.settled_at is not None:
        if one.state == "sent":
            yield Moment(one.settled_at, "mail sent", name, link=link)
        else:
            reason = reason_in_words(one.state, one.reason) if one.reason else ""
            facts = (*name, ("because", reason)) if reason else name
            yield Moment(one.settled_at, f"mail {one.state}", facts, "bad", link)
    if one.opened_at is not None:
        yield Moment(one.opened_at, "mail opened", name, "good", link)
    if one.clicked_at is not None:
        yield Moment(one.clicked_at, "link clicked", name, "good", link)


_MAILS = f"""
SELECT mailing.name, message.address, message.state, message.reason, message.variables,
       message.created_at, message.settled_at, message.delivery, message.delivery_at,
       message.opened_at, message.clicked_at, message.machine_opened_at,
       message.machine_clicked_at
  FROM mail_message message
  JOIN mail_mailing mailing ON mailing.id = message.mailing_id
 WHERE message.contact_id = %s
 ORDER BY message.id DESC LIMIT {EXPORTED_AT_MOST}
"""
_CLICKS = f"""
SELECT link.url, click.clicked_at, click.machine
  FROM mail_message message
  JOIN mail_click click ON click.month = message.month AND click.message_id = message.id
  JOIN mail_link link ON link.id = click.link_id
 WHERE message.contact_id = %s AND (message.clicked_at IS NOT NULL
                                    OR message.machine_clicked_at IS NOT NULL)
 ORDER BY click.clicked_at DESC LIMIT {EXPORTED_AT_MOST}
"""


def export(contact: Contact) -> dict[str, list[dict[str, Any]]]:
    return {"messages": _rows(_MAILS, contact), "clicks": _rows(_CLICKS, contact)}


def _rows(query: str, contact: Contact) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [contact.pk])
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# One that is still to be settled keeps its address until then: it is skipped as erased, and
# the erasure that runs again comes for it.
_ERASE = """
UPDATE mail_message SET address = '', variables = NULL, detail = ''
 WHERE contact_id = ANY(%s) AND state <> 'pending'
   AND (address <> '' OR variables IS NOT NULL OR detail <> '')
"""


def erase(contact_ids: Collection[int], address: str) -> int:
    del address  # messages know their contact
    with connection.cursor() as cursor:
        cursor.execute(_ERASE, [list(contact_ids)])
        return int(cursor.rowcount)


TRACES = Traces("mail", moments=moments, export=export, erase=erase)
