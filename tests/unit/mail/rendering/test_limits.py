"""Templates written to bring the station down. Each ends soon, with a problem that has a name."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from apps.mail.rendering import ProblemKind, TemplateProblem, compile_template
from tests.unit.mail.rendering.writing import html_of, recipient

# Most take under 50 ms. The bound is for machines that are busy with something else.
SECONDS = 5.0

TRAITS = {
    "big": "a" * 100_000,
    "items": [{"list": list(range(50))} for _ in range(20)],
}

RUNAWAY_TEMPLATES = {
    "one loop": "{% for i in (1..1000000000) %}x{% endfor %}",
    "nested loops": "{% for i in (1..999) %}{% for j in (1..999) %}{% for k in (1..999) %}x"
    "{% endfor %}{% endfor %}{% endfor %}",
    "loops side by side": "{% for i in (1..1000) %}{% endfor %}" * 400,
    "loop over a large body": "{% for i in (1..9000) %}" + "{{ i }}" * 1000 + "{% endfor %}",
    "loop over a long condition": "{% for i in (1..9000) %}{% if "
    + "i and " * 500
    + "i %}{% endif %}{% endfor %}",
    "loop in a case": "{% for i in (1..9000) %}{% case i %}{% when 1, 2, 3, 4, 5, 6, 7 %}"
    "{% endcase %}{% endfor %}",
    "reversed": "{% for i in (1..1000000000) reversed %}x{% endfor %}",
    "offset": "{% for i in (1..1000000000) offset: 999999990 %}x{% endfor %}",
    "range from a name": "{% assign n = 1000000000 %}{% for i in (1..n) %}{% endfor %}",
    "range contains": "{% if (1..100000000000) contains 'x' %}{% endif %}",
    "range in a filter": "{% assign r = (1..100000000000) %}{{ r | join: ',' }}",
    "range beyond 64 bits": "{% assign r = (1..99999999999999999999999) %}{{ r | reverse }}",
    "range in an argument": "{{ 'a' | append: (1..100000000000) }}",
    "tablerow": "{% tablerow i in (1..100000000) %}x{% endtablerow %}",
    "doubling": "{% assign s = 'abcdefgh' %}" + "{% assign s = s | append: s %}" * 60,
    "doubling by capture": "{% capture a %}x{% endcapture %}"
    + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 60,
    "capture in a loop": "{% for i in (1..5000) %}{% capture b %}{{ traits.big }}{% endcapture %}"
    "{% endfor %}",
    "many names": "".join(
        f"{{% capture a{i} %}}{{{{ traits.big }}}}{{% endcapture %}}" for i in range(20)
    ),
    "chain": "{{ traits.big | append: traits.big | append: traits.big | size }}",
    "chain of numbers": "{{ 99999999999999999999 | times: 99999999999999999999 | plus: 0 }}",
    "names without end": "{% for i in (1..9000) %}{% assign a = traits.big %}{% endfor %}",
    "replace": "{{ traits.big | replace: 'a', traits.big }}",
    "replace nothing": "{{ traits.big | replace: '', traits.big }}",
    "join": "{{ traits.big | slice: 0, 9000 | split: '' | join: traits.big }}",
    "split": "{{ traits.big | split: '' | size }}",
    "uniq": "{{ traits.big | slice: 0, 9000 | split: '' | uniq }}",
    "flatten": "{% assign a = traits.items %}"
    + "{% assign a = a | concat: a %}" * 8
    + "{{ a | map: 'list' | size }}",
    "numbers": "{% assign n = 10 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
    "output": "{% for i in (1..100) %}{{ traits.big }}{% endfor %}",
    "deep blocks": "{% if a %}" * 40 + "{% endif %}" * 40,
    "deep expression": "{{ " + "a[" * 2000 + "]" * 2000 + " }}",
    "long condition": "{% if " + "a and " * 1500 + "a %}{% endif %}",
    "many tags": "{{ a }}" * 3001,
    "long source": "x" * 300_000,
    "many elements": "<b></b>" * 30_000,
    "deep elements": "<style>b{a:b}</style>" + "<div>" * 20_000,
    "open formatting": "<style>b{c:d}</style>"
    + "".join(f"<div><b a={k}></div>" for k in range(5000)),
    "many rules": "<style>" + "*{c:d}" * 9000 + "</style>" + "<b>x</b>" * 9000,
}


@pytest.mark.parametrize("name", RUNAWAY_TEMPLATES)
def test_runaway_template_ends_soon_in_a_problem(name: str) -> None:
    started = time.process_time()

    with pytest.raises(TemplateProblem) as info:
        compile_template("-", RUNAWAY_TEMPLATES[name]).render(recipient(traits=TRAITS))

    assert info.value.kind is ProblemKind.LIMIT
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    "source",
    [
        "{{ traits.big | replace: 'a', traits.big }}",
        "{{ traits.big | slice: 0, 9000 | split: '' | join: traits.big }}",
    ],
)
def test_sizes_are_reckoned_before_they_are_made(source: str) -> None:
    with pytest.raises(TemplateProblem, match=r"a text of [\d,]{9,} characters is too large"):
        html_of(source, traits=TRAITS)


def test_long_tag_is_refused_before_it_is_read() -> None:
    with pytest.raises(TemplateProblem, match=r"the tag has 8,193 characters \(limit: 8,192\)"):
        compile_template("-", "{{" + "a" * 8189 + "}}")


SLOW_SOURCES = {
    "raw": "{% raw %}" * 20_000,
    "raw in a comment": "{% comment %}" + "{% raw %}" * 20_000 + "{% endcomment %}",
    "doc": "{% doc %}" * 20_000,
    "blanks never closed": "{{" + " " * 200_000,
    "blanks": "{{" + " " * 8000 + "}}",
    "blank tags": ("{% if" + " " * 60 + "%}") * 3000,
    "outputs never closed": "{{ " * 50_000,
    "tags never closed": "{% " * 50_000,
    "elements never closed": "<a " * 40_000,
    "values never closed": "<a x='" * 20_000,
    "comments never closed": "<!--" * 60_000,
    "lists in lists": "<ul><li>" * 14_000,
    "sheet of at-signs": "<style>" + "@" * 200_000 + "</style>",
    "sheet of comments": "<style>" + "/*" * 100_000 + "</style>",
    "sheet without braces": "<style>" + "a" * 200_000 + "</style>",
    "sheet of tags": "<style>@x{" + "<a " * 60_000 + "}</style><b>x</b>",
    "sheet of placeholders": "<style>a{b:" + "{{x}}" * 2900 + " " * 150_000 + "}</style>",
    "sheet of brackets": "<style>" + ":not(" * 20_000 + "{c:d}</style><b>x</b>",
    "branches": "{% if a %}<p>x{% endif %}" * 700,
    "loops": "{% for a in traits.items %}<p>x{% endfor %}" * 700,
    "nested loops": "{% for a in b %}" * 29 + "x" + "{% endfor %}" * 29,
}


@pytest.mark.parametrize("name", SLOW_SOURCES)
def test_source_written_to_be_slow_is_read_or_refused_soon(name: str) -> None:
    started = time.process_time()

    with suppress(TemplateProblem):
        compile_template("-", SLOW_SOURCES[name])

    assert time.process_time() - started < SECONDS


def test_elements_from_a_loop_are_bounded_where_styles_are_inlined_for_each_mail() -> None:
    source = "<style>.{{ traits.x }}{a:b}</style>{% for i in (1..300) %}<div>{% endfor %}"

    with pytest.raises(TemplateProblem, match="nested more than 250 deep"):
        html_of(source)


@pytest.mark.parametrize("tag", ["include", "render"])
def test_other_templates_cannot_be_loaded(tag: str) -> None:
    with pytest.raises(TemplateProblem, match=f"“{{% {tag} %}}” is not available"):
        compile_template("-", f"{{% {tag} '/etc/passwd' %}}")


@pytest.mark.parametrize("name", ["safe", "escapejs"])
def test_filters_that_undo_escaping_are_withheld(name: str) -> None:
    with pytest.raises(TemplateProblem, match=name):
        compile_template("-", f"{{{{ contact.first_name | {name} }}}}")


def test_ordinary_work_stays_far_below_the_limits() -> None:
    rows = [{"name": f"row {i}", "price": i} for i in range(300)]
    source = (
        "{% for r in traits.rows %}<tr><td>{{ r.name | upcase }}</td><td>{{ r.price | times: 2 }}"
        "</td></tr>{% endfor %}"
    )

    assert html_of(source, traits={"rows": rows}).count("<tr>") == 300
