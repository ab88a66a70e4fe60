"""What an answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from apps.queues.outbound import Answer
from apps.station.outgoing.calling import (
    Ending,
    body_of,
    read_answer,
    retry_after_seconds,
    webhook_id,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=body, latency_ms=12.3)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    outcome = read_answer(answer(status), now=NOW)

    assert (outcome.ending, outcome.status, outcome.error) == (Ending.DELIVERED, status, "")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503])
def test_anything_else_has_failed(status: int) -> None:
    outcome = read_answer(answer(status), now=NOW)

    assert outcome.ending is Ending.FAILED
    assert str(status) in outcome.error


def test_gone_is_told_apart() -> None:
    assert read_answer(answer(410), now=NOW).ending is Ending.GONE


@pytest.mark.parametrize("status", [429, 503])
def test_receiver_that_names_a_time_is_followed(status: int) -> None:
    outcome = read_answer(answer(status, retry_after="120"), now=NOW)

    assert (outcome.ending, outcome.retry_after_s) == (Ending.THROTTLED, 120)


def test_time_named_with_another_status_is_not_followed() -> None:
    assert read_answer(answer(500, retry_after="120"), now=NOW).ending is Ending.FAILED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 30 ", 30),
        ("999999999999", 86_400),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2030 11:00:00 GMT", 86_400),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(
    value: str, seconds: float | None
) -> None:
    assert retry_after_seconds(value, now=NOW) == seconds


def test_snippet_is_short_and_printable() -> None:
    outcome = read_answer(answer(500, b"a\x00b\r\n\xff" + b"c" * 9_000), now=NOW)

    assert outcome.snippet.startswith("a b \ufffdccc")
    assert len(outcome.snippet) == 500


def test_body_has_type_time_and_data() -> None:
    moment = datetime(2026, 11, 22, 13, 0, 0, 123456, tzinfo=UTC) + timedelta(0)

    body = body_of(type="message.sent", occurred_at=moment, data={"message_id": 7})

    assert json.loads(body) == {
        "type": "message.sent",
        "timestamp": "2026-11-22T13:00:00.123Z",
        "data": {"message_id": 7},
    }


def test_webhook_id_has_no_dot_that_would_blur_what_is_signed() -> None:
    assert webhook_id(UUID(int=255)) == "evt_000000000000000000000000000000ff"
