"""Liquid as the library has it: what we made faster or bounded prints the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid import Environment
from liquid.exceptions import LiquidError

from apps.mail.rendering.engine import HTML, TEXT, ParsedTemplate, RenderFailedError
from apps.mail.rendering.limits import Budget, RenderLimits
from apps.mail.rendering.tags import protect
from tests.unit.mail.rendering.writing import recipient

STOCK_HTML = Environment(autoescape=True)
STOCK_TEXT = Environment()

names = st.sampled_from(
    ["a", "b", "c.x", "c.y.z", "c['x']", "list", "list.first", "list[1]", "list.size", "list.last",
     "no", "no.such", "c.no", "n", "f", "t", "empty_text", "list[-1].p", "i", "i.p", "c[a]", "[a]",
     "forloop.index", "forloop.last", "forloop.parentloop.index0"]
)  # fmt: skip
literals = st.sampled_from(
    ["'x'", '"<b>"', "1", "-2", "2.5", "true", "false", "nil", "empty", "blank", "(1..3)", "''"]
)
atoms = st.one_of(names, literals)
filters = st.sampled_from(
    ["upcase", "capitalize", "escape", "escape_once", "size", "strip_html", "newline_to_br",
     "append: a", "prepend: '<'", "replace: 'a', b", "remove: 'x'", "default: 'd'",
     "default: a, allow_false: true", "split: ''", "join: '-'", "join", "first", "last", "reverse",
     "sort", "uniq", "map: 'p'", "where: 'p'", "where: 'p', 1", "concat: list", "compact", "sum",
     "plus: 1", "times: n", "divided_by: 2", "minus: f", "round: 1", "ceil", "abs", "modulo: 2",
     "truncate: 3", "truncatewords: 1", "slice: 0, 2", "url_encode", "url_decode", "strip",
     "base64_encode", "squish", "at_most: 2", "find: 'p', 1", "has: 'p'", "sort_natural",
     "find_index: 'p', 1", "reject: 'p'", "strip_newlines", "remove_first: 'a'"]
)  # fmt: skip


@st.composite
def expressions(draw: st.DrawFn) -> str:
    return " | ".join([draw(atoms), *draw(st.lists(filters, max_size=3))])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    operators = st.sampled_from(["==", "!=", "<", ">", "<=", ">=", "contains"])
    simple = st.builds(lambda left, op, right: f"{left} {op} {right}", atoms, operators, atoms)
    parts = draw(st.lists(st.one_of(atoms, simple), min_size=1, max_size=3))
    return draw(st.sampled_from([" and ", " or "])).join(parts)


def dashed(opening: str, inner: str, closing: str) -> st.SearchStrategy[str]:
    dash = st.sampled_from(["", "", "-"])
    return st.builds(lambda a, b: f"{opening}{a} {inner} {b}{closing}", dash, dash)


def tag(inner: str) -> st.SearchStrategy[str]:
    return dashed("{%", inner, "%}")


outputs = expressions().flatmap(lambda inner: dashed("{{", inner, "}}"))
texts = st.sampled_from(["x", " ", "\n", " y\n ", "<i>", "{", "}}", "%}", "é"])
simple_tags = st.one_of(
    expressions().flatmap(lambda value: tag(f"assign a = {value}")),
    st.sampled_from(
        ["increment k", "decrement k", "cycle 'x', 'y'", "cycle a: 1, 2", "break", "continue",
         "# note", "liquid assign b = 1\n echo b"]
    ).flatmap(tag),
    expressions().flatmap(lambda value: tag(f"echo {value}")),
    st.sampled_from(
        ["{% comment %}{{ x }{% raw %}%}{% endraw %}{% endcomment -%}",
         "{%- raw %}{{ {% {% endraw %}", "{% doc %} d {% enddoc -%}"]
    ),
)  # fmt: skip


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    loops = st.sampled_from(
        ["i in list", "i in (1..n)", "i in list reversed", "i in c", "i in a", "i in no",
         "i in list limit: 1", "i in list offset: 1", "i in list offset: continue limit: 1"]
    )  # fmt: skip
    return st.one_of(
        st.builds(
            lambda a, b, c, d: f"{{% if {a} %}}{b}{{% elsif n %}}{c}{{% else %}}{d}{{% endif %}}",
            conditions(), inner, inner, inner,
        ),
        st.builds(lambda a, b: f"{{%- unless {a} -%}}{b}{{%- endunless -%}}", conditions(), inner),
        st.builds(
            lambda a, b, c: f"{{% for {a} %}}{b}{{% else %}}{c}{{% endfor %}}", loops, inner, inner
        ),
        st.builds(lambda a, b: f"{{% tablerow {a} cols: 2 %}}{b}{{% endtablerow %}}", loops, inner),
        st.builds(
            lambda a, b, c: f"{{% case {a} %}}{{% when 1, 'x' %}}{b}{{% else %}}{c}{{% endcase %}}",
            atoms, inner, inner,
        ),
        st.builds(lambda b: f"{{% capture b %}}{b}{{% endcapture %}}", inner),
        st.builds(lambda b: f"{{% ifchanged %}}{b}{{% endifchanged %}}", inner),
    )  # fmt: skip


templates = st.recursive(
    st.one_of(texts, outputs, simple_tags),
    lambda inner: st.one_of(blocks(inner), st.builds("".join, st.lists(inner, max_size=4))),
    max_leaves=12,
)

DATA: dict[str, Any] = {
    "a": "x & <y> a",
    "b": "ab\nab",
    "c": {"x": "<c>", "y": {"z": 7}, "x & <y> a": "by name"},
    "list": [{"p": 1, "q": "<"}, {"p": 2}, "s", 3, None],
    "n": 2,
    "f": 1.5,
    "t": True,
    "empty_text": "",
}


def by_library(source: str, environment: Environment) -> str:
    try:
        return environment.from_string(source).render(json.loads(json.dumps(DATA)))
    except Exception:  # noqa: BLE001 - any error is an error
        return "error"


def by_engine(source: str, *, html: bool) -> str:
    limits = RenderLimits(steps=10**9)
    try:
        return ParsedTemplate(source, HTML if html else TEXT).render(
            json.loads(json.dumps(DATA)),
            clock=recipient().clock(),
            budget=Budget(limits),
            missing={},
        )
    except RenderFailedError:
        return "error"


@settings(deadline=None)
@given(templates)
def test_engine_prints_what_the_library_prints(source: str) -> None:
    assert by_engine(source, html=True) == by_library(source, STOCK_HTML)
    assert by_engine(source, html=False) == by_library(source, STOCK_TEXT)


@settings(deadline=None)
@given(templates)
def test_protected_and_restored_template_prints_the_same(source: str) -> None:
    before = by_library(source, STOCK_HTML)
    if before == "error":
        return

    restored = protect(source).restore()

    assert by_library(restored.source, STOCK_HTML) == before


@pytest.mark.parametrize(
    "source",
    [
        "{% assign a = 'new' %}{{ a }}{{ a | size }}",
        "{% capture a %}<{{ b }}{% endcapture %}{{ a }}",
        "{% for a in list %}{{ a.p }}{{ forloop.index }}{{ b }}{% endfor %}{{ a }}",
        "{% increment a %}{{ a }}{% increment z %}{{ z }}",
        "{{ c['x'] }}{{ c[a] }}{{ [a] }}{{ [list] }}{{ [c.y] }}{{ list[0].p }}{{ list.first.q }}",
        "{{ a.size }}{{ c.size }}{{ a.first }}{{ list.no }}{{ n.no }}{{ no.no.no }}",
    ],
)
def test_names_are_looked_up_as_the_library_does(source: str) -> None:
    printed = by_engine(source, html=True)

    assert printed == by_library(source, STOCK_HTML)
    assert printed != "error"


@pytest.mark.parametrize("source", ["{% break %}", "a{% continue %}", "{{ a | first: 1, 2 }}"])
def test_engine_fails_where_the_library_fails(source: str) -> None:
    with pytest.raises(LiquidError):
        STOCK_TEXT.from_string(source).render(DATA)
    with pytest.raises(RenderFailedError):
        ParsedTemplate(source, TEXT).render(
            DATA, clock=recipient().clock(), budget=Budget(RenderLimits()), missing={}
        )
