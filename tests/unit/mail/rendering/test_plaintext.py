from __future__ import annotations

import pytest

from apps.mail.rendering.plaintext import plain_text
from tests.unit.mail.rendering.writing import text_of_html


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("one\n  two\tthree", "one two three"),
        ("<p>one</p><p>two</p>three", "one\n\ntwo\n\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one<br>two<br><br>three", "one\ntwo\n\nthree"),
        ("<h1>Title</h1>text", "Title\n\ntext"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("Fran&ccedil;ois &amp; Zo&#235; &lt;3", "François & Zoë <3"),
        ("10&nbsp;€ and&nbsp; more", "10 € and more"),
        ("<b>bold</b> <i>slanted</i>text", "bold slantedtext"),
        ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\n\nc"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a  b\nc"),
        ("<table><tr><td></td><td>b</td><td> </td></tr></table>", "b"),
        ("<table><tr><td><table><tr><td>a</td></tr></table></td><td>b</td></tr></table>", "a\nb"),
        ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>", "a\n\nb"),
        ("<pre>  a\n    b</pre>", "  a\n    b"),
        ("a<pre>x\n  y</pre>", "a\n\nx\n  y"),
        ("<blockquote>said</blockquote>so", "said\n\nso"),
        ("<textarea>a &amp; b</textarea>", "a & b"),
    ],
)
def test_structure_becomes_lines(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ('<a href="https://e.example/?a=1&amp;b=2">shop</a>', "shop (https://e.example/?a=1&b=2)"),
        ('<a href="https://e.example/">https://e.example/</a>', "https://e.example/"),
        ('<a href="https://e.example/">e.example</a>', "e.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="mailto:a@b.example">write</a>', "write (mailto:a@b.example)"),
        ("<a href='https://e.example'><img alt='Logo' src=x></a>", "Logo (https://e.example)"),
        ("<a href='https://e.example'><img src=x></a>", "https://e.example"),
        ("<a href='https://e.example'> <b>a</b> b </a>.", "a b (https://e.example)."),
        ("<a href='#top'>top</a> <a>bare</a> <a href='javascript:x()'>run</a>", "top bare run"),
        ("<a href='https://a.example'>one<a href='https://b.example'>two</a>",
         "one (https://a.example)two (https://b.example)"),
        ("<a href='https://e.example'>never closed", "never closed (https://e.example)"),
    ],
)  # fmt: skip
def test_links_show_where_they_lead(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<head><title>t</title></head>",
        "<head><title>t</title><body>",
        "<style>a{b:c}</style>",
        "<script>if (a < b) x()</script>",
        "<!-- note -->",
        "<!--[if mso]><p>Outlook</p><![endif]-->",
        "<!doctype html>",
        "<?xml version='1.0'?>",
        '<div style="display:none">pre <div>view</div> x</div>',
        '<div style="color:red; DISPLAY : none !important">preview</div>',
        '<span style="mso-hide:all">x</span>',
        '<p style="visibility:hidden">x</p>',
        "<p hidden>x</p>",
        '<img style="display:none" alt="pixel">',
        "<select><option>x</option></select>",
        "<noscript>x</noscript>",
        "&#847;&zwnj;&nbsp;&#847;&zwnj;&nbsp;",
        "<a tag never closed",
    ],
)
def test_what_is_not_shown_is_left_out(hidden: str) -> None:
    assert plain_text(f"<p>seen</p>{hidden}") == "seen"


def test_what_follows_a_hidden_element_is_shown() -> None:
    assert plain_text("<div hidden><p>x</div>seen<head></p><p>y") == "seen\n\ny"


def test_joiners_within_words_stay() -> None:
    family = "👩\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e\u0648"

    assert plain_text(f"<p>{family}</p>") == family


ORDERS = """
<table>{% for o in traits.orders %}
<tr><td>{{ o.name }}</td>{% if o.gift %}<td>gift</td>{% endif %}<td>{{ o.price }}</td></tr>
{% endfor %}</table>"""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a</p>{% if traits.no %}<p>b</p>{% endif %}<p>c</p>", "a\n\nc"),
        ("a {% if traits.no %}b{% endif %} c", "a c"),
        ("a{% if traits.vip %} b {% endif %}c", "a b c"),
        ("<p>{{ traits.no }}</p><p>x</p>", "x"),
        ("<p>x<br>{{ traits.no }}<br>y</p>", "x\n\ny"),
        ("<ul>{% for o in traits.orders %}<li>{{ o.price }}</li>{% endfor %}</ul>z",
         "- 12.50\n- 3\n\nz"),
        (ORDERS, "日本の茶 🍵  gift  12.50\n<b>Käse</b>  3"),
        ("<p>{{ brand.postal_address | newline_to_br }}</p>x", "1 Main Street\n10115 Berlin\n\nx"),
        ("<a href='{{ brand.website }}'>{{ brand.website }}</a>", "https://tea.example"),
        ("<a href='{{ brand.website }}'>{{ brand.name }}</a>", "Tea & Co (https://tea.example)"),
        ("<head>{% assign x = 'kept' %}</head>{{ x }}", "kept"),
        ("<p hidden>{% if traits.vip %}{% assign x = 'kept' %}{% endif %}{{ x }}</p>{{ x }}",
         "kept"),
    ],
)  # fmt: skip
def test_text_of_a_template_leaves_no_gaps(source: str, text: str) -> None:
    assert text_of_html(source) == text
