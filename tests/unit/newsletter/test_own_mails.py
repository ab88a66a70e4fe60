"""The station's own mails: they can be made, in each language, and escape what strangers wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from apps.brands.models import Brand
from apps.mail.rendering import RecipientContext, compile_template
from apps.newsletter import own_mails

if TYPE_CHECKING:
    from apps.mail.models import Template
    from apps.mail.rendering import RenderedMail

BRAND = Brand(name="Tom & Co", postal_address="1 Main Street\nTown", locale="en")
URL = "https://mail.example/confirm/abc/"


def rendered(template: Template, **variables: Any) -> RenderedMail:
    compiled = compile_template(template.subject, template.html, template.text or None)
    return compiled.render(
        RecipientContext(
            contact={"email": "anna@people.example"},
            brand={"name": BRAND.name, "postal_address": BRAND.postal_address},
            variables=variables,
            now=datetime.now(tz=UTC),
        )
    )


@pytest.mark.parametrize(
    ("locales", "subject", "word"),
    [
        (("", "en"), "Please confirm your subscription to Tom & Co", "Confirm"),
        (("de-AT", "en"), "Bitte bestätigen Sie Ihre Anmeldung bei Tom & Co", "Bestätigen"),
        (("xx", "yy"), "Please confirm your subscription to Tom & Co", "Confirm"),
    ],
)
def test_confirmation_shows_link_and_address(
    locales: tuple[str, ...], subject: str, word: str
) -> None:
    mail = rendered(own_mails.confirmation(BRAND, locales), confirm_url=URL)

    assert mail.subject == subject
    assert f'href="{URL}"' in mail.html
    assert word in mail.html
    assert "Tom &amp; Co" in mail.html
    assert URL in mail.text
    assert "1 Main Street\nTown" in mail.text
    assert mail.missing == ()


def test_text_of_a_stranger_is_escaped() -> None:
    mail = rendered(
        own_mails.forwarded_text(BRAND),
        number=7,
        name="<b>Cleo</b>",
        email="cleo@people.example",
        subject="",
        message="Hello\n<script>alert(1)</script>",
    )

    assert mail.subject == "A text from the contact form"
    assert "<script>" not in mail.html
    assert "<b>" not in mail.html
    assert "Hello<br" in mail.html
    assert "cleo@people.example" in mail.text
