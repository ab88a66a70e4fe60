"""Confirmations and welcomes: single mails, and only so many to one person within a span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import connection

from apps.contacts.eligibility import MailClass
from apps.mail import singles
from apps.newsletter import own_mails, rules
from apps.newsletter.confirm_links import ConfirmTarget, confirm_url

if TYPE_CHECKING:
    from apps.contacts.models import Contact
    from apps.mail.models import Template
    from apps.newsletter.models import JoiningRules, OptIn

log = structlog.get_logger(__name__)


def ask_to_confirm(chosen: JoiningRules, contact: Contact, opt_in: OptIn) -> bool:
    """Sends the link, unless the person has got enough of them lately; whether it does.

    Raises `NoSenderError`.
    """
    if not _may_mail(contact.pk):
        log.info("confirmation_withheld", contact=contact.pk)
        return False
    template = chosen.confirm_template or own_mails.confirmation(
        chosen.brand, (contact.locale, chosen.brand.locale)
    )
    target = ConfirmTarget(contact.pk, opt_in.asked_at)
    stream = singles.open_stream(
        template=template,
        sender=rules.sender_of(chosen),
        mail_class=MailClass.CONFIRMATION,
        name=f"confirm: {template.slug}",
    )
    singles.send_single(
        stream=stream,
        contact=contact,
        idempotency_key=f"confirm-{contact.pk}-{opt_in.asked_at.timestamp():.6f}",
        variables={"confirm_url": confirm_url(target)},
    )
    return True


def welcome(chosen: JoiningRules, contact: Contact, opt_in: OptIn) -> bool:
    """Sends the brand's welcome, if it has one; whether it does. Raises `NoSenderError`."""
    template = chosen.welcome_template
    if template is None or not _may_mail(contact.pk):
        return False
    send_welcome(
        chosen,
        contact,
        template,
        idempotency_key=f"welcome-{contact.pk}-{opt_in.asked_at.timestamp():.6f}",
    )
    return True


def send_welcome(
    chosen: JoiningRules, contact: Contact, template: Template, *, idempotency_key: str
) -> None:
    """Commercial mail: somebody who has left again meanwhile gets none."""
    stream = singles.open_stream(
        template=template,
        sender=rules.sender_of(chosen),
        mail_class=MailClass.COMMERCIAL,
        name=f"welcome: {template.slug}",
    )
    singles.send_single(
        stream=stream, contact=contact, idempotency_key=idempotency_key, variables={}
    )


def _may_mail(contact_id: int) -> bool:
    """Takes one of the mails that the person may get within the span."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "contact": contact_id,
                "most": settings.JOIN_MAILS,
                "hours": settings.JOIN_MAILS_HOURS,
            },
        )
        return bool(cursor.rowcount)


_OVER = """(window_started_at IS NULL
    OR window_started_at <= statement_timestamp() - make_interval(secs => %(hours)s * 3600))"""
_TAKE = f"""
UPDATE newsletter_optin
   SET mails = CASE WHEN {_OVER} THEN 1 ELSE mails + 1 END,
       window_started_at = CASE WHEN {_OVER} THEN statement_timestamp()
                                ELSE window_started_at END
 WHERE contact_id = %(contact)s AND (mails < %(most)s OR {_OVER})
"""
