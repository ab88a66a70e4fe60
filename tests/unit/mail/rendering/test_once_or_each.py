"""What is done once to a template comes out as if it had been done to each mail."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.mail.rendering import compile_template
from apps.mail.rendering.engine import HTML, ParsedTemplate
from apps.mail.rendering.limits import DEFAULT_LIMITS, Budget
from apps.mail.rendering.plaintext import plain_text
from apps.mail.rendering.preparing import _canonical
from apps.mail.rendering.styles import inline_styles
from tests.unit.mail.rendering.writing import recipient, template

LISTS: list[list[dict[str, Any]]] = [
    [],
    [{"n": "one", "on": True}],
    [{"n": "two & <b>", "on": False}, {"n": "三", "on": True}, {"n": "", "on": True}],
]
TRAITS = [
    {"x": x, "y": y, "list": some, "name": "Ann & <Bob>", "red": "b"}
    for x, y, some in product((True, False), (True, False), LISTS)
]

SELECTORS = [
    ".a", ".b", "td.a", "tr td", "table > tbody > tr > .b", "p.a, li", "#top", "[title]", "*",
    "div .b", ".a:hover", "li + li", "tr:nth-child(even)", "td:first-child", "p:empty", ".a ~ .b",
    ".c:last-child .a",
]  # fmt: skip
DECLARATIONS = [
    "color: red", "color: blue !important", "padding: 1px 2px", "background: {{ traits.red }}",
    "display: none", "font: 1px 'A', \"B\"", "color: #{{ traits.red }}00",
]  # fmt: skip
rules = st.builds(
    lambda selector, declaration: f"{selector} {{ {declaration} }}",
    st.sampled_from(SELECTORS),
    st.sampled_from(DECLARATIONS),
)
sheets = st.builds(
    lambda some, media: f"<style>{' '.join(some)}{media}</style>",
    st.lists(rules, max_size=4),
    st.sampled_from(["", "@media (max-width: 9px) { .a { color: red } }"]),
)

attributes = st.sampled_from(
    ["", ' class="a"', ' class="b a"', " class=b", ' id="top"', ' title="{{ traits.name }}"',
     ' style="margin:0"', ' style="color:{{ traits.name }}"', " style='top:1px;color: green'",
     ' class="{% if traits.x %}a{% endif %}"', ' class="{{ traits.red }}"',
     ' style="{% if traits.y %}display:none{% endif %}"', ' {% if traits.x %}class="b"{% endif %}',
     " hidden", ' class="c" style="color: red; color: black !important"']
)  # fmt: skip
words = st.sampled_from(
    ["word ", "two  words", " & ", "&amp;", "&nbsp;", "&#123;", "{{ traits.name }}",
     "{{ traits.no }}", "<br>", "<img alt='pic'>", "<b>bold</b>", "<!-- {{ traits.name }} -->",
     "{{ item.n }}", "{% assign z = traits.name %}", "{{ z }}", "\n",
     "<a href='{{ traits.name }}'>{{ traits.name }}</a>", '<a href="https://e.example/">e.example</a>',
     "<a href=https://e.example/?{{ traits.red }}>label</a>", "{{ traits.name | escape }}",
     "{{ traits.name | newline_to_br }}", "{{ '<i>' }}", "<!--[if mso]><p>mso</p><![endif]-->",
     "{%- if traits.x -%} in {%- endif -%}", "<a href='#'>here</a>", "<hr>"]
)  # fmt: skip
inline = st.lists(words, max_size=3).map("".join)


def conditional(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner,
        st.builds(lambda a, b: f"{{% if traits.x %}}{a}{{% else %}}{b}{{% endif %}}", inner, inner),
        inner.map(lambda a: f"{{% unless traits.y %}}{a}{{% endunless %}}"),
        inner.map(lambda a: f"{{% for item in traits.list %}}{a}{{% endfor %}}"),
        st.builds(
            lambda a, b: f"{{% for item in traits.list %}}{a}{{% else %}}{b}{{% endfor %}}",
            inner, inner,
        ),
        st.builds(
            lambda a, b: f"{{% case traits.x %}} {{% when true %}}{a}"
            f"{{% else %}}{b}{{% endcase %}}",
            inner, inner,
        ),
        inner.map(lambda a: f"{{% capture cap %}}{a}{{% endcapture %}}{{{{ cap }}}}"),
    )  # fmt: skip


def element(name: str, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, b: f"<{name}{a}>{b}</{name}>", attributes, inner)


def many(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, min_size=1, max_size=3).map("\n".join)


cells = many(conditional(st.one_of(element("td", inline), element("th", inline))))
tables = element("table", many(conditional(element("tr", cells))))
lists = st.one_of(
    [
        element(name, many(conditional(element("li", st.one_of(inline, element("p", inline))))))
        for name in ("ul", "ol")
    ]
)
flow = st.one_of(
    tables, lists, element("p", inline), element("h1", inline), element("div", inline), inline
)
bodies = many(conditional(st.one_of(flow, element("div", many(conditional(flow))))))


def printed(source: str, traits: dict[str, Any]) -> str:
    context = recipient(traits=traits)
    clock = context.clock()
    return ParsedTemplate(source, HTML).render(
        context.namespace(clock), clock=clock, budget=Budget(DEFAULT_LIMITS), missing={}
    )


@settings(max_examples=60, deadline=None)
@given(sheets, bodies, st.lists(st.sampled_from(TRAITS), min_size=3, max_size=3))
def test_styles_of_the_template_are_those_of_each_mail(
    sheet: str, body: str, people: list[dict[str, Any]]
) -> None:
    source = f"<html><head>{sheet}</head><body>{body}</body></html>"
    compiled = compile_template("-", source, "-")

    for traits in people:
        rendered = compiled.render(recipient(traits=traits)).html

        assert _canonical(rendered) == _canonical(inline_styles(printed(source, traits)))


def _flat(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=60, deadline=None)
@given(sheets, bodies, st.lists(st.sampled_from(TRAITS), min_size=3, max_size=3))
def test_text_of_the_template_is_that_of_each_mail(
    sheet: str, body: str, people: list[dict[str, Any]]
) -> None:
    source = f"<html><head>{sheet}</head><body>{body}</body></html>"
    compiled = compile_template("-", source)

    for traits in people:
        rendered = compiled.render(recipient(traits=traits))

        assert _flat(rendered.text) == _flat(plain_text(rendered.html))


@pytest.mark.parametrize("vip", [True, False])
@pytest.mark.parametrize("orders", [0, 1, 7])
def test_newsletter_is_the_same_either_way(vip: bool, orders: int) -> None:  # noqa: FBT001
    source = template("newsletter.html")
    traits = {
        "vip": vip,
        "orders": [
            {"name": f"n{i}", "price": i, "url": f"https://e.example/{i}"} for i in range(orders)
        ],
    }

    rendered = compile_template("-", source).render(recipient(traits=traits))

    each = inline_styles(printed(source, traits))
    assert _canonical(rendered.html) == _canonical(each)
    assert rendered.text == plain_text(each)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('<style>.a{b:c}</style><p class="{{ traits.x }}">', "line 1 (“{{ traits.x }}”) changes a"),
        (
            '<style>.a{b:c}</style>\n<p {% if x %}class="a"{% endif %}>',
            "line 2 (“{% if x %}”) chan",
        ),
        ("<style>[title=a]{b:c}</style><p title={{ traits.x }}>", "changes a class"),
        ("<style>{% if x %}.a{b:c}{% endif %}</style><p>", "stands in a style sheet"),
        ("<style>.{{ traits.x }}{b:c}</style><p>", "stands in a selector"),
        ("<style>p{ {{ traits.x }}: c}</style><p>", "stands in a selector"),
        ("<style>p + p{b:c}</style>{% for i in x %}<p>a</p>{% endfor %}", "changes what :first-ch"),
        ("<style>p{b:c}</style>{% tablerow i in x %}{% endtablerow %}", "prints HTML"),
        ("<style>p{b:c}</style>{{ '<p>' }}", "prints HTML"),
        ("<style>.a p{b:c}</style>{% if x %}<div class=a>{% endif %}<p>y", "branches are shown"),
        ("<style>p{b:c}</style>{% capture x %}<p>y</p>{% endcapture %}{{ x }}", "shown elsewhere"),
    ],
)
def test_styles_that_depend_on_the_mail_are_inlined_in_each(source: str, reason: str) -> None:
    assert reason in compile_template("-", source).styles_each_mail


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<ol>{% for i in x %}<li>a</li>{% endfor %}</ol>", "depends on which branches"),
        ("{% if x %}<div hidden>{% endif %}a</div>", "depends on which branches"),
        ("<p hidden>{% capture x %}a{% endcapture %}</p>{{ x }}", "changes what later tags print"),
        ("<p title='{% assign x = 1 %}'>{{ x }}</p>", "changes what later tags print"),
        ("<p {% if x %}hidden{% endif %}>a</p>", "(“{% if x %}”) may hide an element"),
        ("<p style='{% if x %}display:none{% endif %}'>a</p>", "may hide an element"),
        ("<p style='color:red; display:{{ x }}'>a</p>", "(“{{ x }}”) may hide an element"),
        ("<p style='color:red;{{ x }}'>a</p>", "may hide an element"),
        ("{{ traits.x | default: '&mdash;' }}", "prints HTML"),
        ("&#123;&#123; traits.x }}", "shows “{” as text"),
        ("&#123;{{ traits.x }}", "shows “{” as text"),
        ("{% capture x %}<p>a</p>{% endcapture %}{{ x }}", "holds elements that are shown elsewh"),
        ("{% tablerow i in x %}{{ i }}{% endtablerow %}", "prints HTML"),
    ],
)
def test_text_that_depends_on_the_mail_is_made_from_each(source: str, reason: str) -> None:
    compiled = compile_template("-", source)

    assert reason in compiled.text_each_mail
    assert compiled.render(recipient()).text == plain_text(compiled.render(recipient()).html)


def test_selectors_for_other_clients_do_not_make_each_mail_slow() -> None:
    source = (
        "<style>u + .body a{b:c} #outlook a{b:c} .x:first-child{b:c} p{color:red}</style>"
        "{% for i in traits.orders %}<p class='y'>{{ i.name }}</p>{% endfor %}"
    )

    assert compile_template("-", source).styles_each_mail == ""
