"""The German pages: complete, and compiled from what the catalogue says."""

from __future__ import annotations

import gettext
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages.pofile import read_po
from django.conf import settings

from apps.newsletter.pages import choose_language

if TYPE_CHECKING:
    from babel.messages import Catalog

PLACEHOLDER = re.compile(r"%\(\w+\)s")
FOLDER = settings.LOCALE_PATHS[0] / "de" / "LC_MESSAGES"
TEMPLATES = settings.BASE_DIR / "templates"


@pytest.fixture(scope="module")
def german() -> Catalog:
    with (FOLDER / "django.po").open("rb") as source:
        return read_po(source, locale="de")


def test_every_text_is_translated(german: Catalog) -> None:
    assert [one.id for one in german if one.id and (one.fuzzy or not one.string)] == []


def test_compiled_catalogue_is_that_of_the_source(german: Catalog) -> None:
    with (FOLDER / "django.mo").open("rb") as compiled:
        texts = gettext.GNUTranslations(compiled)

    for one in german:
        if one.id:
            assert texts.gettext(str(one.id)) == one.string, "run `manage.py compilemessages`"


def test_translations_keep_the_placeholders(german: Catalog) -> None:
    for one in german:
        assert set(PLACEHOLDER.findall(str(one.id))) == set(PLACEHOLDER.findall(str(one.string)))


def test_every_text_of_the_pages_is_in_the_catalogue(german: Catalog) -> None:
    used = re.compile(r'{% translate "(.+?)" %}|{% blocktranslate[^%]*%}(.+?){% endb', re.DOTALL)

    for template in sorted(TEMPLATES.glob("public/*.html")):
        for plain, block in used.findall(Path(template).read_text()):
            text = plain or " ".join(line.strip() for line in block.split("\n")).strip()
            assert re.sub(r"{{ (\w+) }}", r"%(\1)s", text) in german, template.name


@pytest.mark.parametrize(
    ("locales", "language"),
    [
        (("de",), "de"),
        (("de-AT", "en"), "de"),
        (("de_CH",), "de"),
        (("DE",), "de"),
        (("fr", "de"), "de"),
        (("", "de"), "de"),
        (("xx", "../../etc"), "en"),
        (("%00",), "en"),
        ((), "en"),
    ],
)
def test_first_language_that_we_speak_is_chosen(locales: tuple[str, ...], language: str) -> None:
    assert choose_language(locales) == language
