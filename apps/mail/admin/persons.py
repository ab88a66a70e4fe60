"""The mail on a person's page: what they got, and why they did not get the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse

from apps.contacts.admin.sections import Section
from apps.mail.admin.live import state_label
from apps.mail.admin.recipients import delivery_in_words
from apps.mail.reports.persons import mail_of_contact
from apps.mail.reports.wording import reason_in_words, state_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from apps.contacts.models import Contact
    from apps.mail.reports.persons import PersonMail


def person_context(request: HttpRequest, contact: Contact) -> Mapping[str, Any]:
    """The newest mails, or those before `mail_before`; one query."""
    before = request.GET.get("mail_before", "")
    page = mail_of_contact(
        contact_id=contact.pk,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,  # noqa: PLR2004 - bigint
    )
    return {
        "mails": [_row(one) for one in page.mails],
        "older_url": f"?mail_before={page.next_before}#mail" if page.next_before else "",
        "newest_url": "?#mail" if before else "",
    }


def _row(one: PersonMail) -> dict[str, Any]:
    return {
        "mail": one,
        "url": reverse("admin:mail_mailing_message", args=[one.mailing_id, one.message_id]),
        "state": state_in_words(one.state),
        "tone": state_label(one.state),
        "reason": reason_in_words(one.state, one.reason) if one.reason else "",
        "delivery": delivery_in_words(one.delivery),
    }


SECTION = Section(
    name="mail",
    title="Mail",
    template="admin/mail/person.html",
    context=person_context,
    order=50,
)
