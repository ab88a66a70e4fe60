from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from apps.mail.rendering.styles import inline_styles
from tests.unit.mail.rendering.writing import html_of

if TYPE_CHECKING:
    from pathlib import Path

SHEET = "<style>td { color: red } .b { margin: 0 }</style>"


@pytest.mark.parametrize(
    ("body", "styled"),
    [
        ("<td>x</td>", "<td>x</td>"),  # outside of a table browsers drop it
        ("<table><td>x</table>", '<table><td style="color: red;">x</table>'),
        ("<p class=b>x", '<p class=b style="margin: 0;">x'),
        ("<br class='b'/>", "<br class='b' style=\"margin: 0;\"/>"),
        ("<br class=b />", '<br class=b style="margin: 0;" />'),
        ("<p class=b/>", "<p class=b/>"),  # a bare value takes the slash
        ("<p class='b' style='top:0'>", "<p class='b' style=\"margin: 0;top: 0\">"),
        ("<P CLASS=b>", '<P CLASS=b style="margin: 0;">'),
        ("<!-- <p class=b> -->", "<!-- <p class=b> -->"),
        ("a < b & c", "a < b & c"),
        ("<title><p class=b></title>", "<title><p class=b></title>"),
    ],
)
def test_only_style_attributes_change(body: str, styled: str) -> None:
    assert inline_styles(SHEET + body).removeprefix(SHEET).split("</style>")[-1] == styled


def test_without_a_sheet_nothing_changes() -> None:
    source = "<p class='x' style=\"a:b\" style='c:d'>&nbsp;<td>"

    assert inline_styles(source) == source


def test_what_no_attribute_can_say_stays_in_the_sheet() -> None:
    source = (
        "<style>@media (width <= 600px) { p { color: red } } a:hover { top: 0 } p { left: 0 }"
        " @font-face { font-family: x }</style><p>x"
    )

    inlined = inline_styles(source)

    assert inlined.endswith('<p style="left: 0;">x')
    assert "@media (width <= 600px) { p { color: red } }" in inlined
    assert "a:hover" in inlined
    assert "@font-face" in inlined
    assert "left: 0 }" not in inlined


def test_conditional_comments_and_doctype_stay_as_they_are() -> None:
    frame = (
        "<!DOCTYPE html>\n<!--[if mso]><table><tr><td><![endif]-->{}<![if !mso]><i>x</i><![endif]>"
    )

    assert inline_styles(frame.format(SHEET)) == frame.format(
        "<style>td { color: red; }\n.b { margin: 0; }</style>"
    )


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{% for o in traits.orders %}<tr><td>{{ o.price }}</td></tr>{% endfor %}",
         '<tr><td style="color: red;">12.50</td></tr><tr><td style="color: red;">3</td></tr>'),
        ("{% if traits.vip %}<tr><td>a</td></tr>{% else %}<tr><th>b</th></tr>{% endif %}",
         '<tr><td style="color: red;">a</td></tr>'),
        ("<tr><td style='top:{{ traits.points }}px'>a</td></tr>",
         '<tr><td style="color: red;top:1200px">a</td></tr>'),
        ("<tr><td style='{% if traits.vip %}color:blue{% endif %}'>a</td></tr>",
         '<tr><td style="color: red;color:blue">a</td></tr>'),
        ("<tr><td {% comment %} class='b' {% endcomment %}>a</td></tr>",
         '<tr><td style="color: red;" >a</td></tr>'),
    ],
)  # fmt: skip
def test_template_tags_stay_in_tables(source: str, printed: str) -> None:
    html = html_of(f"{SHEET}<table>{source}</table>")

    assert html.split("</style>")[-1] == f"<table>{printed}</table>"


def test_values_in_sheets_are_printed_into_attributes() -> None:
    html = html_of(
        "<style>p { color: {{ brand.color }}; margin: {{ traits.points }}px }</style><p>"
    )

    assert html.endswith('<p style="color: #b91c1c;margin: 1200px;">')


def test_double_quotes_of_the_author_survive() -> None:
    html = html_of("""<style>p{a:b}</style><p style='font:"{{ brand.name }}"'>""")

    assert html.endswith("""<p style="a: b;font:&quot;Tea &amp; Co&quot;">""")


class _Watching(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()


def test_no_file_is_read_and_no_server_asked(tmp_path: Path) -> None:
    sheet = tmp_path / "x.css"
    sheet.write_text("p { color: red }")
    server = http.server.HTTPServer(("127.0.0.1", 0), _Watching)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    links = "".join(
        f'<link rel="stylesheet" href="{href}"><style>@import "{href}";</style>'
        for href in (str(sheet), f"file://{sheet}", f"http://127.0.0.1:{server.server_port}/x.css")
    )

    inlined = inline_styles(f"{links}<p>x</p>")

    server.shutdown()
    server.server_close()
    assert inlined.endswith("<p>x</p>")
    assert _Watching.asked == []
