"""Reading the envelope of a signed body, and finding its partition."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.mail.events.errors import MalformedEventError
from apps.mail.events.receiving import Event, parse, partition_month

NOW = datetime(2027, 3, 15, 12, tzinfo=UTC)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def envelope(**fields: Any) -> dict[str, Any]:
    return {"type": "email.sent", "created_at": "2027-03-15T11:59:58.678Z", "data": {}, **fields}


def parsed(content: Any) -> Event:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return parse(body, account_id=1, provider_event_id="msg_1")


def test_envelope_is_read_and_the_payload_kept_as_it_came() -> None:
    body = (
        b'{ "type":"email.sent","created_at":"2027-03-15T11:59:58.678Z", "data":{"x":"\\u0000"} }'
    )

    event = parsed(body)

    assert event.type == "email.sent"
    assert event.occurred_at == datetime(2027, 3, 15, 11, 59, 58, 678_000, tzinfo=UTC)
    assert event.payload.encode() == body


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        ("2023-10-06 23:47:56.678+00", datetime(2023, 10, 6, 23, 47, 56, 678_000, tzinfo=UTC)),
        ("2024-11-22T23:41:12.126123456Z", datetime(2024, 11, 22, 23, 41, 12, 126_123, tzinfo=UTC)),
        ("2024-11-22T23:41:12+02:00", datetime(2024, 11, 22, 21, 41, 12, tzinfo=UTC)),
        ("2024-11-22T23:41:12", datetime(2024, 11, 22, 23, 41, 12, tzinfo=UTC)),
    ],
)
def test_both_forms_of_time_are_read(created_at: str, expected: datetime) -> None:
    assert parsed(envelope(created_at=created_at)).occurred_at == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{",
        b"[" * 100_000,
        b'{"a":NaN}',
        b'{"a":"\x00"}',
        b'{"a":"\\ud800"}',
        b'"text"',
        b"[]",
        b"null",
        b"12",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEventError):
        parsed(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", None),
        ("type", 7),
        ("type", ""),
        ("type", "x" * 61),
        ("type", "email sent"),
        ("type", "email.\x00"),
        ("created_at", None),
        ("created_at", 1_800_000_000),
        ("created_at", ""),
        ("created_at", "yesterday"),
        ("created_at", "2027-13-01T00:00:00Z"),
        ("created_at", "0001-01-01T00:00:00+14:00"),
        ("created_at", "9999-12-31T23:59:59-14:00"),
        ("data", None),
        ("data", []),
        ("data", "text"),
    ],
)
def test_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(MalformedEventError, match=f"^{field}: expected"):
        parsed(envelope(**{field: value}))


@given(json_values)
def test_any_json_is_read_or_refused(content: Any) -> None:
    try:
        body = orjson.dumps(content)
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return
    with pytest.raises(MalformedEventError):
        parsed(body)


@given(st.fixed_dictionaries({"type": json_values, "created_at": json_values, "data": json_values}))
def test_any_values_of_the_known_fields_are_read_or_refused(content: dict[str, Any]) -> None:
    try:
        event = parsed(orjson.dumps(content))
    except (MalformedEventError, orjson.JSONEncodeError):
        return
    assert partition_month(event.occurred_at, now=NOW).day == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_another_error(body: bytes) -> None:
    with pytest.raises(MalformedEventError):
        parsed(body)


@pytest.mark.parametrize(
    ("occurred_at", "month"),
    [
        (datetime(2027, 3, 15, tzinfo=UTC), date(2027, 3, 1)),
        (datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC), date(2027, 2, 1)),
        (datetime(2026, 12, 1, tzinfo=UTC), date(2026, 12, 1)),  # three months are kept
        (datetime(2026, 11, 30, tzinfo=UTC), date(2027, 3, 1)),
        (datetime(2027, 4, 30, tzinfo=UTC), date(2027, 4, 1)),
        (datetime(2027, 5, 1, tzinfo=UTC), date(2027, 3, 1)),
        (datetime(1, 1, 1, tzinfo=UTC), date(2027, 3, 1)),
        (datetime(9999, 12, 31, tzinfo=UTC), date(2027, 3, 1)),
    ],
)
def test_event_lies_in_its_own_month_unless_that_is_absurd(
    occurred_at: datetime, month: date
) -> None:
    assert partition_month(occurred_at, now=NOW) == month
