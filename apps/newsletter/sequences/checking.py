"""What stands against publishing a version, in words for its author."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.mail.contents import describe
from apps.mail.models import Content, Mailing
from apps.mail.rendering import (
    RenderingError,
    find_problems,
    shows_postal_address,
    uses_unsubscribe_link,
)
from apps.newsletter.sequences.step_mailings import SEQUENCE_CLASS

if TYPE_CHECKING:
    from apps.newsletter.models import Sequence, SequenceStep, SequenceVersion


def problems(version: SequenceVersion) -> list[str]:
    """Empty where it may be published."""
    sequence = version.sequence
    steps = list(version.steps.select_related("template"))
    found = [] if steps else ["The version has no steps: add one."]
    found += _of_brand(sequence)
    for step in steps:
        found += [f"Step {step}: {problem}" for problem in _of_step(step, sequence)]
    for rule in version.rules.select_related("topic", "tier"):
        named = rule.topic or rule.tier
        if named is not None and named.brand_id != sequence.brand_id:
            found.append(f"The condition “{rule}” names something of another brand.")
        if rule.before_step and rule.before_step > len(steps):
            found.append(f"There is no step {rule.before_step}, which “{rule}” is before.")
    return found


def _of_brand(sequence: Sequence) -> list[str]:
    found = []
    if not sequence.brand.postal_address.strip():
        found.append(f"{sequence.brand} has no postal address, which commercial mail must show.")
    if sequence.sender.brand_id != sequence.brand_id:
        found.append("The sender is of another brand.")
    return found


def _of_step(step: SequenceStep, sequence: Sequence) -> list[str]:
    template = step.template
    if template.brand_id != sequence.brand_id:
        return ["the template is of another brand."]
    flaws = find_problems(template.subject, template.html, template.text or None)
    if flaws:
        return [f"{flaw}" for flaw in flaws]
    return duties(sequence, template.subject, template.html, template.text)


def duties(sequence: Sequence, subject: str, html: str, text: str) -> list[str]:
    """What the law asks of a mail to many: an unsubscribe link and a postal address."""
    content = describe(
        Mailing(
            name=sequence.name,
            brand=sequence.brand,
            sender=sequence.sender,
            content=Content(subject=subject, html=html, text=text),
            mail_class=SEQUENCE_CLASS,
        )
    )
    address = sequence.brand.postal_address
    try:
        found = []
        if not uses_unsubscribe_link(content.template):
            found.append("shows no unsubscribe link: print unsubscribe_url.")
        if not shows_postal_address(content.template, postal_address=address):
            found.append("shows no postal address: print brand.postal_address.")
    except RenderingError as error:
        return [str(error)]
    return found
