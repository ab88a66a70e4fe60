from __future__ import annotations

import pytest

from apps.mail.rendering import ProblemKind, TemplateProblem, compile_template
from apps.mail.rendering.tags import protect


def restored(source: str) -> str:
    return protect(source).restore().source


@pytest.mark.parametrize(
    ("source", "normal"),
    [
        ("a {{ b }} c", "a {{ b }} c"),
        ("a {{- b -}} c", "a{{ b }}c"),
        ("a {%- if b -%} c {%- endif %}", "a{% if b %}c{% endif %}"),
        ("a {%- comment %}{{ b }}{% endcomment -%} c", "ac"),
        ("a{% # note %}b", "ab"),
        ("a{% doc %}b{% enddoc %}c", "ac"),
        ("{% raw %}{{ a }}{% endraw %}", "{% raw %}{{ a }}{% endraw %}"),
        ("{% comment %}{% comment %}a{% endcomment %}b{% endcomment %}c", "c"),
        ("{%liquid\n assign a = 1\n echo a\n%}", "{% liquid assign a = 1\n echo a %}"),
    ],
)
def test_restored_source_has_neither_comments_nor_dashes(source: str, normal: str) -> None:
    assert restored(source) == normal


def test_restored_source_knows_the_lines_of_the_author() -> None:
    source = "{% comment %}\n\n{% endcomment %}{{ a }}\n{{ b }}"

    back = protect(source).restore()

    assert back.source == "{{ a }}\n{{ b }}"
    assert [back.line_at(offset) for offset in (0, 6, 8, 14)] == [3, 3, 4, 4]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\n{{ b", "html, line 2: “{{” is never closed with “}}”"),
        ("a\n{% b", "html, line 2: “{%” is never closed with “%}”"),
        ("{% raw %}a", "html, line 1: “{% raw %}” is never closed with “{% endraw %}”"),
        ("a\n\n{% if b %}", "“{% endif %}” is missing"),
        ("{% endif %}", "html, line 1: “{% endif %}” has no matching opening tag"),
        ("{% for a in b %}{% else %}", "“{% endfor %}” is missing"),
        ("{% comment %}a", "html, line 1: “{% comment %}” is never closed"),
        ("a\n{% shout %}", "html, line 2: there is no tag “{% shout %}”"),
        ("a\n{{ b | shout }}", "html, line 2: there is no filter “shout”"),
        ("{% assign a = b | shout %}", "html, line 1: there is no filter “shout”"),
        ("{% if a | upcase %}{% endif %}", "html, line 1: "),
        ("{% if %}{% endif %}", "html, line 1: the tag says nothing to do it with"),
        ("{{ a. }}", "html, line 1: "),
        ("{{ a b }}", "html, line 1: "),
        ("{{ }}", "html, line 1: "),
        ("{%  %}", "html, line 1: "),
        (
            "{% raw %}{% endraw %}\n{% if a %}{% elsif b == %}{% endif %}",
            "html, line 2: a value is",
        ),
        ("{% case a %}\n{% when %}{% endcase %}", "html, line 2: "),
        ("{% for a in b limit: %}{% endfor %}", "html, line 1: "),
        ("{{ 'a }}", "html, line 1: "),
        ("a\n\uee80", "html, line 2: contains the private character U+EE80; remove it"),
    ],
)
def test_mistakes_are_told_with_their_line(source: str, said: str) -> None:
    with pytest.raises(TemplateProblem) as info:
        compile_template("-", source)

    assert said in str(info.value)
    assert info.value.kind is ProblemKind.SYNTAX
    assert info.value.part == "html"
    assert "TOKEN" not in info.value.message


def test_mistakes_in_subject_and_text_name_their_part() -> None:
    with pytest.raises(TemplateProblem, match=r"^subject, line 1: "):
        compile_template("{{ a", "-")
    with pytest.raises(TemplateProblem, match=r"^text, line 2: "):
        compile_template("-", "-", "\n{{ a")
