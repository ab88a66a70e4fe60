from __future__ import annotations

import traceback

import pytest

from apps.mail.rendering import TemplateProblem
from apps.mail.rendering.wording import in_operators_words
from tests.unit.mail.rendering.writing import html_of


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ a. }}", "expected an identifier, found the end of the tag"),
        ("{{ a b }}", "expected the end of the tag, found a name"),
        ("{{ 'a }}", "a quotation mark is not closed"),
        ("{% if a = b %}{% endif %}", "expected the end of the tag, found “=”"),
        ("{% if a && b %}{% endif %}", "“&” does not belong here"),
        ("{% if (a) %}{% endif %}", "conditions have no parentheses: put one “if” into another"),
        ("{% if not a %}{% endif %}", "there is no “not”: use “unless”, or compare with “!=”"),
        ("{{ a if b else c }}", "there is no “if” within an output: use “{% if %}”"),
        ("{% for a b %}{% endfor %}", "expected “in”, found a name"),
        ("{{ a | append: 'x' 'y' }}", "a comma is missing between two values"),
        ("{{ a | }}", "expected a name, found the end of the tag"),
        ("{{ | a }}", "a value is expected before “|”"),
        ("{{ 1 | plus: }}", "“plus” needs one more value, after a colon"),
        ("{{ 'b,a' | sort: 1, 2, 3 }}", "“sort” is given too many values"),
        ("{{ 'b,a' | join: 1, 2, 3 }}", "“join” is given too many values"),
        ("{{ 'x' | truncate: 'a' }}", "“truncate” expects a number, found a text"),
        ("{{ 'x' | slice: 'a' }}", "“slice” expects a number, found a text"),
        ("{{ contact | date: '%F' }}", "“date” expects a date, found a group of values"),
        ("{{ 'a' | concat: 'b' }}", "“concat” expects a list on both sides"),
        ("{{ 1 | modulo: 0 }}", "“modulo” divides by 0"),
        ("{% if 'a' < 1 %}{% endif %}", "a text and a number cannot be compared with “<” or “>”"),
        ("{% if 1 contains 2 %}{% endif %}", "“contains” looks into texts and lists, not into a n"),
        ("{% if a !! b %}{% endif %}", "there is no comparison “!!”"),
        ("{{ contact.email | base64_decode }}", "this cannot be worked out with the data there i"),
        ("{{ traits.orders | map: 'name' | compact: 'x' }}", "“x” cannot be read from an item"),
        ("{% break %}", "“{% break %}” stands outside of a loop"),
    ],
)
def test_mistakes_are_said_in_an_operator_s_words(source: str, said: str) -> None:
    with pytest.raises(TemplateProblem) as info:
        html_of(source)

    assert info.value.message.startswith(said)
    assert info.value.line == 1


def test_message_without_a_wording_is_said_as_it_is() -> None:
    assert in_operators_words("something new") == "something new"


def test_problem_does_not_carry_the_recipient_s_data() -> None:
    with pytest.raises(TemplateProblem) as info:
        html_of("{{ contact.email | base64_decode }}")

    shown = "".join(traceback.format_exception(info.value))
    assert "zoë@example.com" not in shown
    assert "ASCII" not in shown
