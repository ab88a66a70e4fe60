from __future__ import annotations

import pytest

from apps.mail.rendering import (
    ProblemKind,
    RenderLimits,
    TemplateProblem,
    compile_template,
    find_problems,
)
from tests.unit.mail.rendering.writing import html_of, line, recipient, template


def test_render_newsletter_gives_subject_html_and_text() -> None:
    compiled = compile_template(
        "{{ contact.first_name }}: {{ campaign.name }}", template("newsletter.html")
    )

    rendered = compiled.render(recipient())

    assert (compiled.styles_each_mail, compiled.text_each_mail) == ("", "")
    assert rendered.subject == "Zoë: Spring"
    assert rendered.text + "\n" == template("newsletter.txt")
    assert "<h1 style=" in rendered.html
    assert "&lt;b&gt;Käse&lt;/b&gt;" in rendered.html
    assert rendered.missing == ()


def test_render_twice_gives_the_same_bytes() -> None:
    compiled = compile_template("{{ 'now' | date: '%c' }}", template("newsletter.html"))

    assert compiled.render(recipient()) == compiled.render(recipient())


def test_render_single_mail_reads_variables_and_dates_in_the_zone() -> None:
    compiled = compile_template("Welcome", template("welcome.html"))

    rendered = compiled.render(
        recipient(
            variables={"confirm_url": "https://c.example/?t=1", "until": "2026-03-02T12:00:00Z"}
        )
    )

    assert "Confirm (https://c.example/?t=1)" in rendered.text
    assert "good until Monday, 2 March, 13:00 CET." in rendered.text


def test_written_text_is_used_as_it_is() -> None:
    compiled = compile_template("-", "<p>x</p>", "Hi  {{ contact.last_name }}\n\n\n\nBye ")

    assert compiled.render(recipient()).text == "Hi  O'Neil <3\n\n\n\nBye "


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_blank_text_is_made_from_the_html(text: str | None) -> None:
    compiled = compile_template("-", "<p>Hi {{ contact.last_name }}</p>", text)

    assert compiled.render(recipient()).text == "Hi O'Neil <3"


def test_html_escapes_values_and_subject_and_text_do_not() -> None:
    compiled = compile_template("{{ contact.last_name }}", "<i>{{ contact.last_name }}</i>")

    rendered = compiled.render(recipient())

    assert rendered.subject == "O'Neil <3"
    assert rendered.html == "<i>O&#39;Neil &lt;3</i>"
    assert rendered.text == "O'Neil <3"


def test_traits_are_seen_from_the_contact_and_from_the_top() -> None:
    assert line("{{ traits.points }}|{{ contact.traits.points }}") == "1200|1200"


def test_subject_collapses_line_breaks_and_control_characters() -> None:
    compiled = compile_template(" a{{ contact.first_name }}\n\t b\u2028c ", "-")

    rendered = compiled.render(recipient(contact={"first_name": "\r\nBcc: x@y.example\x00\x85"}))

    assert rendered.subject == "a Bcc: x@y.example b c"


def test_subject_keeps_joiners_of_emoji_and_persian() -> None:
    subject = "👩\u200d🚀 \u0645\u06cc\u200c\u062e\u0648"

    assert compile_template(subject, "-").render(recipient()).subject == subject


def test_subject_too_long_names_the_limit() -> None:
    compiled = compile_template("{{ traits.long }}", "-")

    with pytest.raises(TemplateProblem, match=r"^subject: has 256 characters .*limit: 255") as info:
        compiled.render(recipient(traits={"long": "x" * 256}))

    assert info.value.kind is ProblemKind.LIMIT
    assert compiled.render(recipient(traits={"long": "x" * 255})).subject == "x" * 255


def test_subject_empty_for_a_recipient_is_a_problem() -> None:
    compiled = compile_template("{{ traits.nothing }}", "-")

    with pytest.raises(TemplateProblem, match="subject: is empty for this recipient"):
        compiled.render(recipient())


@pytest.mark.parametrize(("subject", "html", "part"), [(" ", "x", "subject"), ("x", "\n", "html")])
def test_compile_refuses_an_empty_part(subject: str, html: str, part: str) -> None:
    with pytest.raises(TemplateProblem, match=f"^{part}: is empty"):
        compile_template(subject, html)


def test_problem_tells_the_line_the_author_wrote() -> None:
    source = "<style>a{b:c}</style>\n<p>\n{% comment %}\n{% endcomment %}\n{{ 1 | divided_by: 0 }}"

    with pytest.raises(TemplateProblem) as info:
        html_of(source)

    assert str(info.value) == "html, line 5: “divided_by” divides by 0"
    assert info.value.kind is ProblemKind.VALUE


def test_find_problems_tells_one_for_each_part() -> None:
    found = find_problems("{{ a", "<p>\n{% if %}</p>", "{{ a | nonsense }}")

    assert [str(problem) for problem in found] == [
        "subject, line 1: “{{” is never closed with “}}”",
        "html, line 2: the tag says nothing to do it with: a name or condition is missing",
        "text, line 1: there is no filter “nonsense”",
    ]


def test_find_problems_in_a_good_template_finds_none() -> None:
    assert find_problems("Hi", template("newsletter.html")) == []


def test_limits_can_be_set_by_the_caller() -> None:
    limits = RenderLimits(source_characters=10)

    with pytest.raises(TemplateProblem, match=r"has 11 characters \(limit: 10\)"):
        compile_template("-", "x" * 11, limits=limits)


def test_missing_lists_names_without_a_value_once() -> None:
    source = "{{ traits.a }}{{ traits.a }}{{ first_name }}{% for x in traits.b %}{% endfor %}"

    rendered = compile_template("-", source).render(recipient())

    assert rendered.missing == ("traits.a", "first_name", "traits.b")


@pytest.mark.parametrize("value", [None, ""])
def test_missing_lists_a_printed_blank(value: str | None) -> None:
    rendered = compile_template("Dear {{ contact.first_name }}", "-").render(
        recipient(contact={"first_name": value})
    )

    assert rendered.subject == "Dear"
    assert rendered.missing == ("contact.first_name",)


@pytest.mark.parametrize(
    "source",
    [
        "{{ traits.a | default: 'x' }}",
        "{% if traits.a %}{% endif %}",
        "{% if x %}{% elsif traits.a == 1 %}{% endif %}".replace("x", "traits.b"),
        "{% unless contact.traits.a %}{% endunless %}",
        "{% case traits.a %}{% when 1 %}{% endcase %}",
        "{% assign x = traits.a | default: 1 %}",
        "{% for o in traits.orders %}{% if o.gift %}{% endif %}{% endfor %}",
    ],
)
def test_missing_excuses_conditions_and_defaults(source: str) -> None:
    assert compile_template("-", f"x{source}").render(recipient()).missing == ()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ contact.frist_name | default: 'x' }}", "contact.frist_name"),
        ("{% if brand.adress %}{% endif %}", "brand.adress"),
        ("{{ first_name | default: 'x' }}", "first_name"),
    ],
)
def test_missing_never_excuses_a_name_that_cannot_be(source: str, name: str) -> None:
    assert compile_template("-", f"x{source}").render(recipient()).missing == (name,)
