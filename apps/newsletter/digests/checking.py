"""What stands against sending a digest, and what it would look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.contacts.eligibility import MailClass
from apps.mail.contents import describe
from apps.mail.models import Content, Mailing
from apps.mail.rendering import (
    RenderingError,
    find_problems,
    shows_postal_address,
    uses_unsubscribe_link,
)

if TYPE_CHECKING:
    from apps.mail.contents import MailingContent
    from apps.newsletter.models import Digest

DIGEST_CLASS = MailClass.COMMERCIAL


def problems(digest: Digest) -> list[str]:
    """Empty where an issue may go out."""
    found = []
    if not digest.brand.postal_address.strip():
        found.append(f"{digest.brand} has no postal address, which commercial mail must show.")
    if digest.sender.brand_id != digest.brand_id:
        found.append("The sender is of another brand.")
    if digest.template.brand_id != digest.brand_id:
        return [*found, "The template is of another brand."]
    return found + _of_template(digest)


def _of_template(digest: Digest) -> list[str]:
    template = digest.template
    flaws = find_problems(template.subject, template.html, template.text or None)
    if flaws:
        return [f"The template: {flaw}" for flaw in flaws]
    compiled = content_of(digest, {}).template
    found = []
    try:
        if not uses_unsubscribe_link(compiled):
            found.append("The template shows no unsubscribe link: print unsubscribe_url.")
        if not shows_postal_address(compiled, postal_address=digest.brand.postal_address):
            found.append("The template shows no postal address: print brand.postal_address.")
    except RenderingError as error:
        found.append(f"The template: {error}")
    return found


def content_of(digest: Digest, variables: dict[str, Any]) -> MailingContent:
    """What all mails of an issue have in common. Raises `TemplateProblem`."""
    template = digest.template
    return describe(
        Mailing(
            name=digest.name,
            brand=digest.brand,
            sender=digest.sender,
            content=Content(
                subject=template.subject,
                html=template.html,
                text=template.text,
                variables=variables,
            ),
            mail_class=DIGEST_CLASS,
        )
    )
