from __future__ import annotations

import pytest

from apps.sandbox.resend.errors import Answer, ApiError
from apps.sandbox.resend.idempotency import Entry, IdempotencyKeys

BODY = b'{"to":"a@example.org"}'
ANSWER = Answer(200, b'{"id":"1"}')


def begin(keys: IdempotencyKeys, *, body: bytes = BODY, key: str = "k", now: float = 0.0) -> Entry:
    return keys.begin(key, body, now=now, ttl_seconds=100.0)


def refusal(keys: IdempotencyKeys, **given: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        begin(keys, **given)  # type: ignore[arg-type]  # passed on as given
    return caught.value


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_key_of_wrong_length_is_refused(key: str) -> None:
    error = refusal(IdempotencyKeys(), key=key)

    assert (error.status, error.name) == (400, "invalid_idempotency_key")


def test_key_of_256_characters_is_taken() -> None:
    assert begin(IdempotencyKeys(), key="x" * 256).answer is None


def test_same_body_while_in_flight_is_a_conflict() -> None:
    keys = IdempotencyKeys()
    begin(keys)

    error = refusal(keys)

    assert (error.status, error.name) == (409, "concurrent_idempotent_requests")


def test_same_body_afterwards_gets_the_original_answer() -> None:
    keys = IdempotencyKeys()
    begin(keys).answer = ANSWER

    assert begin(keys, now=99.0).answer is ANSWER


@pytest.mark.parametrize("answer", [None, ANSWER])
def test_other_body_is_refused_in_flight_and_afterwards(answer: Answer | None) -> None:
    keys = IdempotencyKeys()
    begin(keys).answer = answer

    error = refusal(keys, body=BODY + b" ")

    assert (error.status, error.name) == (409, "invalid_idempotent_request")


def test_key_is_free_again_after_its_time() -> None:
    keys = IdempotencyKeys()
    begin(keys).answer = ANSWER

    assert begin(keys, body=b"{}", now=100.0).answer is None


def test_key_in_flight_does_not_expire() -> None:
    keys = IdempotencyKeys()
    begin(keys)

    assert refusal(keys, now=1_000.0).name == "concurrent_idempotent_requests"


def test_forgotten_key_is_free_again() -> None:
    keys = IdempotencyKeys()
    entry = begin(keys)

    keys.forget("k", entry)

    assert begin(keys, body=b"{}").answer is None


def test_forgetting_an_older_entry_leaves_the_new_one() -> None:
    keys = IdempotencyKeys()
    old = begin(keys)
    keys.clear()
    begin(keys).answer = ANSWER

    keys.forget("k", old)

    assert begin(keys).answer is ANSWER
