"""What the provider's errors mean: the table, and what the classes carry."""

from __future__ import annotations

import pickle

import pytest

from apps.mail.resend import (
    AccountRefused,
    Ambiguous,
    BatchRefused,
    KeyInFlight,
    KeyMismatch,
    QuotaExceeded,
    RateLimit,
    ResendClient,
    ResendFailure,
    SenderRefused,
    Throttled,
)
from apps.mail.resend.errors import CallFacts
from apps.mail.resend.verdicts import verdict


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "validation_error", BatchRefused),
        (400, "invalid_idempotency_key", KeyMismatch),
        (401, "missing_api_key", AccountRefused),
        (401, "restricted_api_key", AccountRefused),
        (403, "invalid_api_key", AccountRefused),
        (403, "suspended_api_key", AccountRefused),
        (403, "invalid_permission", AccountRefused),
        (403, "validation_error", SenderRefused),
        (404, "not_found", AccountRefused),
        (405, "method_not_allowed", AccountRefused),
        (409, "invalid_idempotent_request", KeyMismatch),
        (409, "concurrent_idempotent_requests", KeyInFlight),
        (409, "resource_locked", KeyInFlight),
        (409, "something_new", Ambiguous),
        (413, "payload_too_large", BatchRefused),
        (422, "validation_error", BatchRefused),
        (422, "missing_required_field", BatchRefused),
        (429, "rate_limit_exceeded", Throttled),
        (429, "something_new", Throttled),
        (429, "daily_quota_exceeded", QuotaExceeded),
        (429, "monthly_quota_exceeded", QuotaExceeded),
        (302, "unnamed", AccountRefused),
        (408, "request_timeout", Ambiguous),
        (425, "too_early", Ambiguous),
        (500, "application_error", Ambiguous),
        (503, "service_unavailable", Ambiguous),
        (200, "validation_error", Ambiguous),
        # Not JSON: a proxy's word counts only where it cannot have passed the request on.
        (401, "application_error", Ambiguous),
        (403, "application_error", Ambiguous),
        (404, "application_error", Ambiguous),
        (413, "application_error", BatchRefused),
        (429, "application_error", Throttled),
        (502, "application_error", Ambiguous),
    ],
)
def test_error_means(status: int, name: str, kind: type[ResendFailure]) -> None:
    assert verdict(status, name) is kind


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        (RateLimit(retry_after_s=2.5), 2.5),
        (RateLimit(reset_s=4), 4),
        (RateLimit(reset_s=0), 1),
        (RateLimit(reset_s=10_000), 300),
        (RateLimit(), 1),
    ],
)
def test_throttled_says_how_long_to_wait(rate: RateLimit, seconds: float) -> None:
    failure = Throttled(CallFacts("rate_limit_exceeded", status=429, rate=rate))

    assert failure.retry_after_s == seconds


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (CallFacts("timeout"), "timeout"),
        (CallFacts("wrong_count", status=200), "200 wrong_count"),
        (CallFacts("validation_error", 422, "no subject"), "422 validation_error: no subject"),
    ],
)
def test_failure_reads_as_one_line(facts: CallFacts, text: str) -> None:
    assert str(Ambiguous(facts)) == text


def test_failure_survives_pickling() -> None:
    failure = BatchRefused(CallFacts("validation_error", 422, "no subject", latency_ms=3.0))

    copy = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own bytes

    assert type(copy) is BatchRefused
    assert copy.facts == failure.facts


def client() -> ResendClient:
    return ResendClient(
        "re_test", "http://127.0.0.1:9", connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1
    )


@pytest.mark.parametrize("size", [0, 101])
def test_batch_of_a_wrong_size_is_refused_by_name(size: int) -> None:
    with pytest.raises(ValueError, match=f"size is {size}"):
        client().send_batch(b"[]", "key", size=size)


@pytest.mark.parametrize("key", ["", "x" * 257, "with space", "line\nbreak", "ümlaut"])
def test_key_the_provider_would_refuse_is_refused_before(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency_key must be"):
        client().send_batch(b"[]", key, size=1)


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_body_that_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="body must be"):
        client().send_batch(body, "key", size=1)


@pytest.mark.parametrize("email_id", ["", "../domains", "a/b", "a%2fb", "x" * 129])
def test_email_id_that_could_lead_elsewhere_is_refused(email_id: str) -> None:
    with pytest.raises(ValueError, match="email_id must be"):
        client().get_email(email_id)


@pytest.mark.parametrize("api_key", ["", "re_1\r\nX: y", "rë_1", "re 1"])
def test_api_key_that_is_no_header_is_refused_without_being_told(api_key: str) -> None:
    with pytest.raises(ValueError, match="api_key must be") as caught:
        ResendClient(api_key, "http://h", connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1)

    assert not api_key or api_key not in str(caught.value)
