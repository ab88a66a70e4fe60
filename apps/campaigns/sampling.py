"""Trying a campaign's mail on some of the people who would get it, without writing anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.contacts.models import Contact
from apps.mail.contents import MailingContent, describe
from apps.mail.models import Content, Mailing
from apps.mail.people import trial_context
from apps.mail.rendering import (
    RecipientContext,
    RenderedMail,
    RenderingError,
    build_email,
    measure,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.campaigns.models import Campaign

SAMPLE_SIZE = 200


@dataclass
class Trial:
    """What came of rendering for a sample; the counters count people.

    `clipped` are those whose mail Gmail would cut, `rendered` those for whom it worked, `suspects`
    those of them in whose mail unsubscribe link or postal address do not plainly stand.
    """

    failures: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    clipped: int = 0
    rendered: list[RecipientContext] = field(default_factory=list)
    suspects: list[RecipientContext] = field(default_factory=list)

    @property
    def people(self) -> int:
        return len(self.rendered) + self.failures.total()

    def closer_look(self, number: int) -> list[RecipientContext]:
        """Suspects first, then others from all over the sample."""
        step = max(1, len(self.rendered) // number)
        return (self.suspects + self.rendered[::step])[:number]


def draft_content(campaign: Campaign, mail_class: str) -> MailingContent:
    """What all mails of the campaign would have in common, were it launched now.

    Raises `TemplateProblem` where the template does not compile.
    """
    template = campaign.template
    return describe(
        Mailing(
            name=campaign.name,
            brand=campaign.brand,
            sender=campaign.sender,
            content=Content(subject=template.subject, html=template.html, text=template.text),
            mail_class=mail_class,
        )
    )


@dataclass(frozen=True)
class Sampled:
    """Somebody who would get the mail: where to, and what it would be made from."""

    address: str
    context: RecipientContext


def sampled(content: MailingContent, contact_ids: Iterable[int]) -> list[Sampled]:
    """One query."""
    now = datetime.now(tz=UTC)
    contacts = Contact.objects.filter(pk__in=list(contact_ids)).order_by("pk")
    return [Sampled(one.address, trial_context(content, one, now=now)) for one in contacts]


def nobody(content: MailingContent) -> RecipientContext:
    """Somebody of whom nothing is known."""
    return trial_context(content, None, now=datetime.now(tz=UTC))


def render_sample(content: MailingContent, people: Iterable[Sampled]) -> Trial:
    """Renders and builds each mail as if it were sent; no error ends it."""
    trial = Trial()
    for person in people:
        try:
            rendered = _rendered(content, person)
        except RenderingError as error:
            trial.failures[str(error)] += 1
        else:
            trial.rendered.append(person.context)
            trial.missing.update(rendered.missing)
            trial.clipped += measure(rendered).clipped
            if not _plainly_shows_duties(rendered, person.context):
                trial.suspects.append(person.context)
    return trial


def _plainly_shows_duties(rendered: RenderedMail, context: RecipientContext) -> bool:
    """A look without parsing; whoever does not pass it is looked at closely."""
    link, address = context.unsubscribe_url, context.brand["postal_address"]
    in_both = link in rendered.html and link in rendered.text
    return in_both and _words(address) in _words(rendered.text)


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _rendered(content: MailingContent, person: Sampled) -> RenderedMail:
    rendered = content.template.render(person.context)
    build_email(
        sender=content.sender,
        to=person.address,
        reply_to=content.reply_to,
        rendered=rendered,
        unsubscribe_url=person.context.unsubscribe_url,
        tags={"mailing": "0", "message": "0"},
    )
    return rendered
