from __future__ import annotations

import pytest

from apps.mail.rendering import (
    RenderedMail,
    compile_template,
    measure,
    missing_variables,
    shows_postal_address,
    uses_unsubscribe_link,
)
from tests.unit.mail.rendering.writing import recipient, template

LINK = '<a href="{{ unsubscribe_url }}">leave</a>'


@pytest.mark.parametrize(
    ("html", "text", "uses"),
    [
        (LINK, None, True),
        (LINK, "leave: {{ unsubscribe_url }}", True),
        (LINK, "no link", False),
        ("no link", "{{ unsubscribe_url }}", False),
        ("unsubscribe_url", None, False),
        (f"<!-- {LINK} -->", None, False),
        (f'<p style="display:none">{LINK}</p>', "{{ unsubscribe_url }}", False),
        (f"<style>.x{{display:none}}</style><p class=x>{LINK}</p>", "{{ unsubscribe_url }}", False),
        ("{% comment %}{{ unsubscribe_url }}{% endcomment %}", None, False),
        ("{% assign u = unsubscribe_url %}<a href={{ u }}>x</a>", None, True),
        (f"{{% if traits.vip %}}{LINK}{{% endif %}}", None, False),
    ],
)
def test_unsubscribe_link_is_found_where_people_see_it(
    html: str,
    text: str | None,
    uses: bool,  # noqa: FBT001 - what is expected
) -> None:
    assert uses_unsubscribe_link(compile_template("-", html, text)) is uses


def test_unsubscribe_link_that_a_sample_does_not_see_is_none() -> None:
    compiled = compile_template("-", f"{{% unless traits.vip %}}{LINK}{{% endunless %}}")

    assert uses_unsubscribe_link(compiled)
    assert not uses_unsubscribe_link(compiled, [recipient(traits={"vip": True})])


@pytest.mark.parametrize(
    ("html", "text", "shows"),
    [
        ("{{ brand.postal_address }}", None, True),
        ("{{ brand.postal_address | newline_to_br | upcase }}", None, True),
        ("{{ brand.postal_address }}", "nowhere", False),
        ("<p>Tea &amp; Co<br>1  MAIN Street, Berlin</p>", None, True),
        ("<p>1 Main Street</p>", None, False),
        ("<!-- {{ brand.postal_address }} -->", "{{ brand.postal_address }}", False),
    ],
)
def test_postal_address_is_found_printed_or_written(
    html: str,
    text: str | None,
    shows: bool,  # noqa: FBT001 - what is expected
) -> None:
    compiled = compile_template("-", html, text)

    found = shows_postal_address(compiled, postal_address="Tea & Co\n1 Main Street, Berlin")

    assert found is shows


def test_postal_address_not_given_is_only_found_printed() -> None:
    assert not shows_postal_address(compile_template("-", "1 Main Street"))


def test_newsletter_passes_the_checks_of_commercial_mail() -> None:
    compiled = compile_template("-", template("newsletter.html"))

    assert uses_unsubscribe_link(compiled, [recipient()])
    assert shows_postal_address(compiled, [recipient()])
    assert missing_variables(compiled, recipient()) == ()


def test_missing_variables_are_those_of_the_recipient() -> None:
    compiled = compile_template("{{ contact.first_name }}", "{{ traits.plan }}")

    assert missing_variables(compiled, recipient()) == ("traits.plan",)


@pytest.mark.parametrize(("size", "clipped"), [(102 * 1024, False), (102 * 1024 + 1, True)])
def test_measure_counts_bytes_and_tells_what_gmail_clips(
    size: int,
    clipped: bool,  # noqa: FBT001 - what is expected
) -> None:
    html = "é" * (size // 2) + "x" * (size % 2)

    measured = measure(RenderedMail("-", html, "-"))

    assert (measured.html_bytes, measured.clipped) == (size, clipped)
