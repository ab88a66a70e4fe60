"""What is asked of a template before it may go out to many."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.mail.rendering.context import RecipientContext
from apps.mail.rendering.plaintext import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apps.mail.rendering.mails import CompiledTemplate, RenderedMail

# Gmail shows this much of a mail's HTML and hides the rest behind a link.
GMAIL_CLIP_BYTES = 102 * 1024

# Words that no template contains: they are only in a mail if the template printed them.
_SENTINEL_URL = "https://sentinel.invalid/leave-4f1d7c9b"
_SENTINEL_ADDRESS = "sentinelstreet4f1d7c9b"


@dataclass(frozen=True, slots=True)
class MailSize:
    """`clipped` tells that Gmail will cut the mail."""

    html_bytes: int
    clipped: bool


def measure(rendered: RenderedMail) -> MailSize:
    size = len(rendered.html.encode())
    return MailSize(size, size > GMAIL_CLIP_BYTES)


def missing_variables(template: CompiledTemplate, context: RecipientContext) -> tuple[str, ...]:
    """The names that had no value for this recipient, where one was printed or looped over.

    Names behind `default` and in conditions do not count: the author has thought of them. A key
    that `contact`, `brand` or `campaign` never has counts even there.
    """
    return template.render(context).missing


def uses_unsubscribe_link(
    template: CompiledTemplate, samples: Iterable[RecipientContext] = ()
) -> bool:
    """Whether HTML and text both show the unsubscribe link.

    Found by rendering for a contact of whom nothing is known and for all `samples`: a link in a
    branch that one of them does not see is no link. Comments and hidden elements do not count.
    """
    return all(
        _SENTINEL_URL in plain_text(rendered.html) and _SENTINEL_URL in rendered.text
        for rendered in _rendered(template, samples, unsubscribe_url=_SENTINEL_URL)
    )


def shows_postal_address(
    template: CompiledTemplate,
    samples: Iterable[RecipientContext] = (),
    *,
    postal_address: str = "",
) -> bool:
    """Whether HTML and text both show the brand's postal address.

    It may be printed as `brand.postal_address`, or be written into the template as the given
    `postal_address` has it (case and space aside).
    """
    return all(
        _shows_address(rendered, _words(postal_address))
        for rendered in _rendered(template, samples, postal_address=_SENTINEL_ADDRESS)
    )


def _rendered(
    template: CompiledTemplate,
    samples: Iterable[RecipientContext],
    *,
    unsubscribe_url: str = "https://sentinel.invalid/other",
    postal_address: str = "-",
) -> Iterator[RenderedMail]:
    for context in (_NOBODY, *samples):
        yield template.render(
            replace(
                context,
                unsubscribe_url=unsubscribe_url,
                brand={**context.brand, "postal_address": postal_address},
            )
        )


_NOBODY = RecipientContext(
    contact={"email": "nobody@sentinel.invalid", "first_name": "", "last_name": "", "locale": ""},
    now=datetime(2026, 1, 1, tzinfo=UTC),
    brand={"name": "-", "website": "-"},
    campaign={"name": "-"},
    preferences_url="https://sentinel.invalid/preferences",
)


def _shows_address(rendered: RenderedMail, written: str) -> bool:
    return all(
        _SENTINEL_ADDRESS in words or (written and written in words)
        for words in (_words(plain_text(rendered.html)), _words(rendered.text))
    )


def _words(text: str) -> str:
    return " ".join(html.unescape(text).casefold().split())
