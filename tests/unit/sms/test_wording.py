"""The words of a text."""

from __future__ import annotations

import pytest

from apps.sms.wording import Wording, WordingError

ANN = {"first_name": "Ann", "last_name": "", "traits": {"city": "Turin", "age": 40}}
BRAND = {"name": "Harbour"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("The ships are in.", "The ships are in."),
        ("Hello {{ subscriber.first_name }}!", "Hello Ann!"),
        ("{{ brand.name }}: {{ links.sale }}", "Harbour: https://x.example/t/a"),
        ("{{ subscriber.traits.city }} {{ subscriber.traits.age }}", "Turin 40"),
        ("{{ subscriber.nick | default: 'you' }}", "you"),
        ("Hi {{ subscriber.nick }}", "Hi "),
        ("{% if subscriber.first_name %}A{% else %}B{% endif %}", "A"),
    ],
)
def test_a_body_becomes_a_text(body: str, text: str) -> None:
    links = {"sale": "https://x.example/t/a"}

    assert Wording(body).text(subscriber=ANN, brand=BRAND, links=links) == text


@pytest.mark.parametrize(
    "body",
    [
        "{{ subscriber.last_name }}",
        "{% for a in (1..300) %}{% for b in (1..300) %}x{% endfor %}{% endfor %}",
        "{{ 'x' | times }}{{ nothing | unknown_filter }}",
    ],
)
def test_a_body_that_makes_no_text_says_so(body: str) -> None:
    with pytest.raises(WordingError, match="body"):
        Wording(body).text(subscriber=ANN, brand=BRAND)


def test_a_body_that_cannot_be_read_says_so() -> None:
    with pytest.raises(WordingError, match="body"):
        Wording("{% if %}")
    with pytest.raises(WordingError, match="body"):
        Wording("{% include 'other' %}")
