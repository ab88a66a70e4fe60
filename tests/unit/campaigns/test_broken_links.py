"""Links that cannot work, and those that can."""

from __future__ import annotations

import pytest

from apps.campaigns.broken_links import broken_links


@pytest.mark.parametrize(
    "link",
    [
        "https://brand.example/sale?a=b&c=d#top",
        "http://brand.example",
        "HTTPS://BRAND.EXAMPLE/x",
        "https://brand.example:8443/x",
        "https://xn--mnchen-3ya.example/",
        "mailto:anna@brand.example?subject=Hi",
        "tel:+4940123456",
        "#part",
    ],
)
def test_link_that_works_is_not_told(link: str) -> None:
    assert broken_links(f'<a href="{link}">x</a>') == {}


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("#", "leads nowhere"),
        ("/sale", "is relative"),
        ("brand.example/sale", "is relative"),
        ("//brand.example/sale", "is relative"),
        ("https://brand.example/{{ x }}", "still holds a template tag"),
        ("https://brand.example/%7B%7B%20x", "still holds a template tag"),
        ("https:///sale", "has no host"),
        ("https://brand/sale", "only this computer knows"),
        ("http://localhost:8000/", "only this computer knows"),
        ("https://brand.example/a b", "has a space"),
        ("javascript:alert(1)", "begins with javascript:"),
        ("mailto:", "nobody to write to"),
        ("https://[brand.example/", "is no address"),
    ],
)
def test_link_that_cannot_work_is_told_with_the_reason(link: str, words: str) -> None:
    (fault,) = broken_links(f'<a href="{link}">x</a>').values()

    assert words in fault


def test_pictures_are_looked_at_and_anchors_are_not() -> None:
    html = '<a name="here">x</a><img src="logo.png"><img><img src="cid:logo"><img src="mailto:x">'

    assert broken_links(html) == {
        "logo.png": "is relative: a mail has no page to start from; write https:// and the host",
        "<img> without an address": "is empty",
        "mailto:x": "begins with mailto:, which mail programs do not open",
    }


def test_long_links_are_cut() -> None:
    (link,) = broken_links(f'<a href="/{"x" * 500}">x</a>')

    assert len(link) == 81


def test_broken_html_is_read_as_far_as_it_goes() -> None:
    assert list(broken_links('<a href="/x"><p <a href="/y">')) == ["/x"]
