"""Public pages: in the reader's language, of no interest to caches, search engines and frames."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import get_supported_language_variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.contacts.models import Contact

# The address of a page names a person: it goes into no cache, index or Referer header.
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Reader:
    """What a page shows of the brand to somebody who came with a link; nothing of themselves."""

    locales: tuple[str, ...]
    brand_name: str
    postal_address: str
    website: str

    @classmethod
    def of(cls, contact: Contact) -> Reader:
        brand = contact.brand
        locales = (contact.locale, brand.locale)
        return cls(locales, brand.name, brand.postal_address, brand.website)


def render_page(
    template: str, context: dict[str, Any], *, locales: Iterable[str], status: int = 200
) -> HttpResponse:
    """A page in the first of the `locales` that we speak."""
    language = choose_language(locales)
    nonce = secrets.token_urlsafe(16)
    with translation.override(language):
        html = render_to_string(template, {**context, "language": language, "nonce": nonce})
    return HttpResponse(
        html,
        status=status,
        headers={
            **HEADERS,
            "Content-Language": language,
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self';"
                " base-uri 'none'; frame-ancestors 'none'"
            ),
        },
    )


def render_line(text: str, *, status: int = 200) -> HttpResponse:
    """An answer for a mail client, which shows it to nobody."""
    return HttpResponse(
        f"{text}\n", status=status, headers=HEADERS, content_type="text/plain; charset=utf-8"
    )


def choose_language(locales: Iterable[str]) -> str:
    """`de` for `de_AT`; the station's own language where we speak none of them."""
    for locale in locales:
        try:
            return get_supported_language_variant(locale.replace("_", "-").lower())
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
