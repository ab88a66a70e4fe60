"""An issue as one contact would see it now, with all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.contacts.models import Contact
from apps.mail.people import trial_context
from apps.mail.rendering import RenderingError, measure
from apps.newsletter.digests import starting
from apps.newsletter.digests.checking import content_of, problems
from apps.newsletter.digests.composing import variables_of
from apps.newsletter.digests.gathering import fallback_items, preview_items
from apps.newsletter.digests.weeks import next_slot
from apps.newsletter.models import Digest

if TYPE_CHECKING:
    from apps.newsletter.digests.weeks import Slot


@dataclass(frozen=True)
class Preview:
    """`articles` is how many it would show; `is_fallback` that it would be the fallback set.

    `missing` are names without a value for this person; with `flaws` there may be no mail.
    """

    articles: int
    is_empty: bool
    is_fallback: bool
    subject: str = ""
    html: str = ""
    text: str = ""
    size_bytes: int = 0
    clipped: bool = False
    flaws: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def preview(*, digest: Digest, contact_id: int | None = None) -> Preview:
    """By what the sources gave when they last worked; nothing is written or fetched.

    `contact_id` is one of the brand's; None: somebody of whom nothing is known.
    """
    items = preview_items(digest)
    is_empty = len(items) < digest.least_items
    is_fallback = is_empty and digest.empty_rule == Digest.EmptyRule.FALLBACK
    shown = fallback_items(digest)[: digest.most_items] if is_fallback else items
    flaws = tuple(problems(digest))
    try:
        content = content_of(digest, variables_of(shown, _label(digest)))
        rendered = content.template.render(
            trial_context(content, _person(digest, contact_id), now=datetime.now(tz=UTC))
        )
    except RenderingError as error:
        return Preview(len(shown), is_empty, is_fallback, flaws=flaws or (str(error),))
    size = measure(rendered)
    return Preview(
        articles=len(shown),
        is_empty=is_empty,
        is_fallback=is_fallback,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        size_bytes=size.html_bytes,
        clipped=size.clipped,
        flaws=flaws,
        missing=rendered.missing,
    )


def next_due(digest: Digest) -> Slot:
    """When its next issue is due, were it active."""
    return next_slot(
        datetime.now(tz=UTC),
        weekday=digest.weekday,
        hour=digest.hour,
        zone=starting.zone_of(digest),
    )


def _label(digest: Digest) -> str:
    slot = next_due(digest)
    return f"{slot.year}-W{slot.week:02}"


def _person(digest: Digest, contact_id: int | None) -> Contact | None:
    if contact_id is None:
        return None
    return Contact.objects.of_brand(digest.brand_id).get(pk=contact_id)
