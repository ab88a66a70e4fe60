"""Mailings whose recipients are named one by one, and more of them as time goes on.

A step of a sequence is one: whoever is due is added, and leaves in batches like any bulk mail. Such
a mailing stays open, so it is not completed, until `finish` says that nobody else will come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from apps.contacts.eligibility import MailClass, skip_reason_sql
from apps.mail import mailings, planning
from apps.mail.models import AudiencePage, Mailing
from apps.queues import partitions
from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from apps.brands.models import Sender
    from apps.mail.models import Content


@dataclass(frozen=True)
class Added:
    """Numbers of people: to be mailed, skipped by reason, and those who were in it already."""

    planned: int
    skipped: dict[str, int]
    known: int
    batches: int


def this_month() -> date:
    """The partition that a mailing made now has."""
    return mailings._this_month()  # noqa: SLF001 - of this room


def open_listed(
    *,
    name: str,
    sender: Sender,
    mail_class: MailClass,
    content: Content,
    topic_groups: Sequence[Sequence[int]] = (),
) -> Mailing:
    """A running mailing of this month without anybody in it. Who it is for keeps its id."""
    month = this_month()
    partitions.ensure_partitions(mailings.MESSAGE_TABLE, around=month)
    return Mailing.objects.create(
        kind=Mailing.Kind.BULK,
        name=name,
        brand_id=sender.brand_id,
        sender=sender,
        account_id=sender.account_id,
        content=content,
        mail_class=mail_class,
        month=month,
        topic_groups=[list(group) for group in topic_groups],
        correlation_id=correlation_id(),
    )


# As a page of an audience, with those left out who are in the mailing already: adding somebody
# twice changes nothing.
_PEOPLE = """
    SELECT c.id, c.address, {reason} AS reason
      FROM contacts_contact c
     WHERE c.id = ANY(%(contacts)s::bigint[]) AND c.brand_id = %(brand)s
       AND NOT EXISTS (SELECT FROM mail_message known
                        WHERE known.month = %(month)s AND known.mailing_id = %(mailing)s
                          AND known.contact_id = c.id AND known.idempotency_key IS NULL)
"""


def add(*, mailing_id: int, contact_ids: Collection[int]) -> Added:
    """Writes a message for each contact of the brand who has none yet, grouped into batches.

    Who may not be mailed gets a message that says why. Some statements, however many contacts;
    for some 10,000 at a time. A paused mailing takes people too: they wait. Of two callers at once
    the second waits for the first. Wakes the senders after the commit.
    """
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(no_key=True).get(pk=mailing_id)
        groups = mailing.topic_groups or [[]]
        asked = [
            skip_reason_sql(MailClass(mailing.mail_class), topic_ids=group) for group in groups
        ]
        params = {name: value for _, given in asked for name, value in given.items()}
        people = _PEOPLE.format(reason=f"coalesce({', '.join(sql for sql, _ in asked)})")
        page = planning.insert_messages(mailing, people, {**params, "contacts": list(contact_ids)})
        if page.first is not None:
            _note_page(mailing, page)
        if page.batches:
            mailings.wake_senders(account_id=mailing.account_id)
    return Added(page.planned, page.skipped, len(contact_ids) - page.found, page.batches)


def _note_page(mailing: Mailing, page: planning.InsertedPeople) -> None:
    """What progress adds up. The least of the new people is in no other page: that is its key."""
    AudiencePage.objects.create(
        mailing=mailing,
        after_contact=(page.first or 0) - 1,
        until_contact=page.last or 0,
        planned=page.planned,
        skipped=page.skipped,
    )


def finish(mailing_ids: Collection[int]) -> int:
    """Nobody else will be added: they complete when the last is sent; returns how many."""
    finished = Mailing.objects.filter(pk__in=mailing_ids, audience_completed_at=None).update(
        audience_completed_at=Now()
    )
    if finished:
        enqueue(TaskName.CLOSE_MAILINGS)
    return finished
