"""Reading what the provider says: limits, waits, ids, texts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.mail.resend.answers import AnswerMismatchError, RateLimit, match_ids
from apps.mail.resend.scrubbing import error_name, scrub


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5", 5),
        (" 10 ", 10),
        ("0.5", 0.5),
        ("5;w=1, 100;w=60", 5),
        ("5, 5;w=1", 5),
        ("1000000", 1_000_000),
        ("", None),
        ("-5", None),
        ("five", None),
        ("5e9", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, None),
    ],
)
def test_announced_limit_is_a_number_or_nothing(text: str, limit: float | None) -> None:
    assert RateLimit.from_headers({"ratelimit-limit": text}).limit == limit


def test_headers_that_are_not_there_tell_nothing() -> None:
    assert RateLimit.from_headers({}) == RateLimit(None, None, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("1.5", 1.5),
        ("0", 0.1),
        ("86400", 300),
        ("Sun, 22 Nov 2026 06:00:07 GMT", 7),
        ("Sun, 22 Nov 2026 05:00:00 GMT", 0.1),
        ("Mon, 23 Nov 2026 06:00:00 GMT", 300),
        ("soon", None),
        ("-1", None),
        ("Sun, 99 Nov 2026 06:00:07 GMT", None),
    ],
)
def test_retry_after_is_believed_within_bounds(text: str, seconds: float | None) -> None:
    headers = {"retry-after": text, "date": "Sun, 22 Nov 2026 06:00:00 GMT"}

    assert RateLimit.from_headers(headers).retry_after_s == seconds


def test_retry_after_as_a_date_without_the_providers_clock_tells_nothing() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 06:00:07 GMT"}

    assert RateLimit.from_headers(headers).retry_after_s is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_header_is_survived(limit: str, retry_after: str) -> None:
    rate = RateLimit.from_headers({"ratelimit-limit": limit, "retry-after": retry_after})

    assert rate.limit is None or 0 <= rate.limit < 1e13
    assert rate.retry_after_s is None or 0.1 <= rate.retry_after_s <= 300


def test_ids_skip_the_places_of_the_refused() -> None:
    answer = {
        "data": [{"id": "a"}, {"id": "b"}],
        "errors": [{"index": 0, "message": "no subject"}, {"index": 2, "message": "bad to"}],
    }

    ids, errors = match_ids(answer, size=4)

    assert ids == (None, "a", None, "b")
    assert errors == {0: "no subject", 2: "bad to"}


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_every_message_gets_its_own_id_or_its_error(refused: list[bool]) -> None:
    answer = {
        "data": [{"id": f"id-{n}"} for n, bad in enumerate(refused) if not bad],
        "errors": [{"index": n, "message": str(n)} for n, bad in enumerate(refused) if bad],
    }

    ids, errors = match_ids(answer, size=len(refused))

    assert ids == tuple(None if bad else f"id-{n}" for n, bad in enumerate(refused))
    assert errors == {n: str(n) for n, bad in enumerate(refused) if bad}


def test_several_errors_of_one_message_are_joined() -> None:
    errors = [{"index": 0, "message": "no subject"}, {"index": 0, "message": "bad to"}]

    assert match_ids({"data": [], "errors": errors}, size=1)[1] == {0: "no subject; bad to"}


@pytest.mark.parametrize("errors", [None, []])
def test_answer_without_errors_accepted_all(errors: list[Any] | None) -> None:
    assert match_ids({"data": [{"id": "a"}], "errors": errors}, size=1) == (("a",), {})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "unreadable"),
        ("ok", "unreadable"),
        ({}, "unreadable"),
        ({"data": {"id": "a"}}, "unreadable"),
        ({"data": ["a", "b"]}, "unreadable"),
        ({"data": [{"id": "a"}, {"id": 7}]}, "unreadable"),
        ({"data": [{"id": "a"}, {"id": ""}]}, "unreadable"),
        ({"data": [{"id": "a"}]}, "wrong_count"),
        ({"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}, "wrong_count"),
        ({"data": [{"id": "a"}, {"id": "a"}]}, "wrong_count"),
        ({"data": [{"id": "a"}], "errors": [{"index": 2, "message": "x"}]}, "wrong_count"),
        ({"data": [{"id": "a"}], "errors": [{"index": -1, "message": "x"}]}, "wrong_count"),
        ({"data": [{"id": "a"}], "errors": [{"index": True, "message": "x"}]}, "wrong_count"),
        ({"data": [{"id": "a"}], "errors": [{"message": "x"}]}, "wrong_count"),
        ({"data": [{"id": "a"}], "errors": ["x"]}, "wrong_count"),
        (
            {"data": [{"id": "a"}, {"id": "b"}], "errors": [{"index": 1, "message": "x"}]},
            "wrong_count",
        ),
    ],
)
def test_answer_that_does_not_fit_the_batch_is_refused(answer: object, reason: str) -> None:
    with pytest.raises(AnswerMismatchError, match=reason):
        match_ids(answer, size=2)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid `to`: jane.doe+x@example.com is no address",
        "Jane <jane@exämple.com>, (jane@example.com); jane@example.com.",
        '"Jane Doe"@example.com',
        "/emails/jane%40example.com",
        "JANE\uff20EXAMPLE.COM",
        "key re_Abc123_456 was jane@example.com's",
    ],
)
def test_scrubbed_text_has_neither_addresses_nor_keys(text: str) -> None:
    scrubbed = scrub(text).lower()

    assert "example" not in scrubbed
    assert "exämple" not in scrubbed
    assert "abc123" not in scrubbed
    assert "jane@" not in scrubbed
    assert "doe" not in scrubbed


def test_scrubbed_text_is_one_short_line() -> None:
    scrubbed = scrub("The\n`html`\tfield " + "is " * 200)

    assert scrubbed.startswith("The `html` field is is")
    assert len(scrubbed) == 200


def test_long_text_is_scrubbed_quickly_and_not_cut_within_an_address() -> None:
    started = time.perf_counter()

    scrubbed = scrub(
        "x@example.org " * 141 + "and jane.doe.of.somewhere@example.com" + "y" * 1_000_000
    )

    assert "jane" not in scrubbed
    assert time.perf_counter() - started < 1


@given(st.text(max_size=300))
def test_any_text_is_scrubbed_of_at_signs(text: str) -> None:
    assert "@" not in scrub(text)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("validation_error", "validation_error"),
        ("jane@example.com", "unnamed"),
        ("x" * 65, "unnamed"),
        ("", "unnamed"),
        (None, "unnamed"),
        ({"a": 1}, "unnamed"),
    ],
)
def test_error_name_is_a_token(name: object, told: str) -> None:
    assert error_name(name) == told
