"""A draft's mail as one contact would see it, with all that is wrong with its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.campaigns.broken_links import broken_links
from apps.campaigns.counting import CAMPAIGN_CLASS
from apps.campaigns.sampling import nobody, sampled
from apps.contacts.models import Contact
from apps.mail.contents import describe
from apps.mail.models import Content, Mailing
from apps.mail.rendering import (
    GMAIL_CLIP_BYTES,
    ContextProblem,
    TemplateProblem,
    find_problems,
    measure,
)

if TYPE_CHECKING:
    from apps.brands.models import Sender
    from apps.mail.contents import MailingContent
    from apps.mail.rendering import RecipientContext

FOUND_AT_MOST = 10
CLIPPED_FROM_KB = GMAIL_CLIP_BYTES // 1024
# Sorts behind every sign of an address: those are printable ASCII.
_BEHIND = "\x7f"


@dataclass(frozen=True)
class Texts:
    """What an operator writes: Liquid. An empty `text` is made from the HTML."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Flaw:
    """A mistake in one part; `line` counts from 1, None where no line is to blame."""

    part: str
    line: int | None
    message: str


@dataclass(frozen=True)
class Preview:
    """One finished mail, or the `flaws` that keep it from being made.

    `size_bytes` is that of the HTML, which Gmail cuts above 102 KB (`clipped`). `missing` are names
    without a value for this person, `links` what is wrong with links, `slow` why sending takes
    longer than it must.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    size_bytes: int = 0
    clipped: bool = False
    flaws: tuple[Flaw, ...] = ()
    missing: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()


def preview(*, texts: Texts, sender: Sender, campaign_name: str, contact_id: int | None) -> Preview:
    """As the contact of the sender's brand would get it; None: somebody of whom nothing is known.

    Nothing is written. Raises `Contact.DoesNotExist` for a contact of another brand.
    """
    try:
        content = _content(texts, sender, campaign_name)
    except TemplateProblem:
        problems = find_problems(texts.subject, texts.html, texts.text or None)
        return Preview(flaws=tuple(_flaw(problem) for problem in problems))
    slow = slow_parts(content)
    try:
        rendered = content.template.render(_person(content, sender, contact_id))
    except TemplateProblem as problem:
        return Preview(flaws=(_flaw(problem),), slow=slow)
    except ContextProblem as problem:
        return Preview(flaws=(Flaw("data", None, str(problem)),), slow=slow)
    size = measure(rendered)
    links = broken_links(rendered.html)
    return Preview(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        size_bytes=size.html_bytes,
        clipped=size.clipped,
        missing=rendered.missing,
        links=tuple(f"{link} {fault}" for link, fault in links.items()),
        slow=slow,
    )


def slow_parts(content: MailingContent) -> tuple[str, ...]:
    """What is worked out again for each mail, ten times slower, and why."""
    template = content.template
    found = (
        ("Styles are inlined for each mail", template.styles_each_mail),
        ("The text part is made for each mail", template.text_each_mail),
    )
    return tuple(f"{what}: {why}" for what, why in found if why)


def find_people(*, brand_id: int, prefix: str) -> list[Contact]:
    """Up to ten contacts whose address begins so, in its order; one look-up in an index."""
    begins = prefix.strip().lower()
    found = Contact.objects.of_brand(brand_id).filter(erased_at=None)
    if begins:
        found = found.filter(address__gte=begins, address__lt=begins + _BEHIND)
    return list(found.order_by("address")[:FOUND_AT_MOST])


def _content(texts: Texts, sender: Sender, campaign_name: str) -> MailingContent:
    return describe(
        Mailing(
            name=campaign_name,
            brand=sender.brand,
            sender=sender,
            content=Content(subject=texts.subject, html=texts.html, text=texts.text),
            mail_class=CAMPAIGN_CLASS,
        )
    )


def _person(content: MailingContent, sender: Sender, contact_id: int | None) -> RecipientContext:
    if contact_id is None:
        return nobody(content)
    contact = Contact.objects.of_brand(sender.brand_id).only("pk").get(pk=contact_id)
    (person,) = sampled(content, [contact.pk])
    return person.context


def _flaw(problem: TemplateProblem) -> Flaw:
    return Flaw(problem.part, problem.line, problem.message)
