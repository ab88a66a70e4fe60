"""Mails of the station's own words, for brands that wrote none: in every language we speak.

They are templates like those of operators (Liquid, seen by the same door), never saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.html import escape
from django.utils.translation import gettext as _

from apps.mail.models import Template
from apps.newsletter.pages import choose_language

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.brands.models import Brand

# {{ … }} are Liquid's; names in single braces are filled in here.
_FRAME = """\
<html lang="{language}"><head><meta name="viewport" content="width=device-width">
<style>
body {{ margin: 0; padding: 24px; background: #f3f4f6; color: #17202c;
  font: 16px/1.5 Helvetica, Arial, sans-serif }}
.card {{ max-width: 520px; margin: 0 auto; padding: 28px; background: #ffffff;
  border: 1px solid #dfe3e8; border-radius: 12px }}
h1 {{ margin: 0 0 16px; font-size: 22px; line-height: 1.3 }}
.button {{ display: inline-block; padding: 14px 24px; border-radius: 10px; background: #1f4fd1;
  color: #ffffff; font-weight: bold; text-decoration: none }}
.quiet {{ color: #5a6676; font-size: 14px }}
</style></head><body><div class="card">
{content}
<p class="quiet">{{{{ brand.name }}}}<br>{{{{ brand.postal_address | newline_to_br }}}}</p>
</div></body></html>
"""

_CONFIRMATION = """\
<h1>{heading}</h1>
<p>{text}</p>
<p><a class="button" href="{{{{ variables.confirm_url }}}}">{button}</a></p>
<p class="quiet">{not_you}</p>
"""

_CONFIRMATION_TEXT = """\
{heading}

{text}

{{{{ variables.confirm_url }}}}

{not_you}

{{{{ brand.name }}}}
{{{{ brand.postal_address }}}}
"""

_FORWARD = """\
<h1>{{ variables.subject | default: "A text from the contact form" }}</h1>
<p>{{ variables.name }} &lt;{{ variables.email }}&gt;</p>
<p>{{ variables.message | newline_to_br }}</p>
<p class="quiet">Answer to {{ variables.email }}. Written into the contact form, number
{{ variables.number }}.</p>
"""


def confirmation(brand: Brand, locales: Iterable[str]) -> Template:
    """Asks for a click on `variables.confirm_url`."""
    language = choose_language(locales)
    with translation.override(language):
        words = {
            "heading": _("Please confirm your subscription"),
            "text": _(
                "Somebody, probably you, wants to get mail from {{ brand.name }} at this address."
                " Press the button and confirm it on the page that opens."
            ),
            "button": _("Confirm"),
            "not_you": _("Was it not you? Then do nothing: without the confirmation you get none."),
        }
        subject = _("Please confirm your subscription to {{ brand.name }}")
    shown = {name: escape(text) for name, text in words.items()}
    return Template(
        brand=brand,
        slug=f"confirmation-{language}",
        subject=subject,
        html=_FRAME.format(language=language, content=_CONFIRMATION.format(**shown)),
        text=_CONFIRMATION_TEXT.format(**words),
    )


def forwarded_text(brand: Brand) -> Template:
    """What somebody wrote into the contact form, for those who answer it."""
    return Template(
        brand=brand,
        slug="contact-form",
        subject='{{ variables.subject | default: "A text from the contact form" }}',
        html=_FRAME.format(language="en", content=_FORWARD),
        text="",
    )
