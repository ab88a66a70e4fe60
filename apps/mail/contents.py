"""What a mailing's mails have in common, kept in the worker between batches."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apps.contacts.eligibility import MailClass
from apps.mail.models import Mailing
from apps.mail.rendering import CompiledTemplate, Mailbox, compile_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apps.mail.models import Content

# How long a worker goes on with the brand's and the sender's data after they were changed.
FRESH_SECONDS = 10.0


@dataclass(frozen=True)
class MailingContent:
    """Everything but the recipient: template, sender, brand."""

    mailing_id: int
    name: str
    mail_class: MailClass
    template: CompiledTemplate
    sender: Mailbox
    reply_to: str
    brand: dict[str, str]
    timezone: str
    topic_groups: tuple[tuple[int, ...], ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


KEPT_AT_MOST = 200

_kept: dict[int, tuple[float, MailingContent]] = {}


def mailing_contents(mailing_ids: Iterable[int]) -> dict[int, MailingContent]:
    """The contents by mailing; one query for those that are not fresh."""
    wanted = set(mailing_ids)
    now = time.monotonic()
    stale = [one for one in wanted if one not in _kept or _kept[one][0] < now]
    if stale:
        if len(_kept) > KEPT_AT_MOST:
            _kept.clear()
            stale = list(wanted)
        mailings = Mailing.objects.select_related("brand", "sender", "content")
        for mailing in mailings.filter(pk__in=stale):
            _kept[mailing.pk] = (now + FRESH_SECONDS, describe(mailing))
    return {one: _kept[one][1] for one in wanted}


def describe(mailing: Mailing) -> MailingContent:
    brand, sender = mailing.brand, mailing.sender
    return MailingContent(
        mailing_id=mailing.pk,
        name=mailing.name,
        mail_class=MailClass(mailing.mail_class),
        template=compiled(mailing.content),
        sender=Mailbox(sender.name, sender.email),
        reply_to=sender.reply_to,
        brand={
            "name": brand.name,
            "postal_address": brand.postal_address,
            "website": brand.website,
        },
        timezone=brand.timezone,
        topic_groups=tuple(tuple(group) for group in mailing.topic_groups),
        variables=mailing.content.variables,
    )


def compiled(content: Content) -> CompiledTemplate:
    return _compiled(content.subject, content.html, content.text)


@lru_cache(maxsize=64)
def _compiled(subject: str, html: str, text: str) -> CompiledTemplate:
    return compile_template(subject, html, text or None)
