from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sandbox.resend.domains import Domains
from apps.sandbox.resend.errors import ApiError
from apps.sandbox.resend.validation import Checked, check, check_sender_domains

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = ("from", "to", "cc", "subject", "html", "text", "tags", "headers", "scheduled_at")


def message(**changes: Any) -> dict[str, Any]:
    base = {"to": ["ada@example.org"], "subject": "Hello", "html": "<p>Hi</p>"}
    merged = {"from": "News <news@news.example>", **base, **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def checked(given: object, *, index: int | None = None, scheduled_allowed: bool = True) -> Checked:
    return check(given, index=index, scheduled_allowed=scheduled_allowed)


@pytest.mark.parametrize("field", ["from", "to", "subject"])
@pytest.mark.parametrize("value", [..., None, ""])
def test_message_without_a_required_field_names_it(field: str, value: Any) -> None:
    with pytest.raises(ApiError, match=f"Missing `{field}` field") as caught:
        checked(message(**{field: value}))

    assert (caught.value.status, caught.value.name) == (422, "missing_required_field")


def test_message_without_html_and_text_names_both() -> None:
    with pytest.raises(ApiError, match="Missing `html` or `text` field"):
        checked(message(html=...))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"to": "nobody"}, "Invalid `to` field"),
        ({"to": ["ada@example.org", 7]}, "Invalid `to` field"),
        ({"to": ["ada@example.org"] * 51}, "more than 50 addresses"),
        ({"cc": "nobody"}, "Invalid `cc` field"),
        ({"bcc": ["nobody"]}, "Invalid `bcc` field"),
        ({"reply_to": "nobody"}, "Invalid `reply_to` field"),
        ({"from": "nobody"}, "Invalid `from` field"),
        ({"from": ["news@news.example"]}, "Invalid `from` field"),
        ({"subject": 7}, "Invalid `subject` field"),
        ({"subject": "a\nb"}, "single line"),
        ({"html": 7}, "Invalid `html` field"),
        ({"text": ["x"]}, "Invalid `text` field"),
        ({"tags": {"a": "b"}}, "Invalid `tags` field"),
        ({"tags": ["a"]}, "Each tag needs a name"),
        ({"tags": [{"value": "b"}]}, "Each tag needs a name"),
        ({"tags": [{"name": "a b", "value": "c"}]}, "Tags should only contain ASCII"),
        ({"tags": [{"name": "a", "value": "ü"}]}, "Tags should only contain ASCII"),
        ({"tags": [{"name": "a", "value": ""}]}, "Tags should only contain ASCII"),
        ({"tags": [{"name": "a", "value": "x" * 257}]}, "1 to 256 characters"),
        ({"headers": ["X-A: b"]}, "Invalid `headers` field"),
        ({"headers": {"X A": "b"}}, "not a header name"),
        ({"headers": {"X-A": "b\r\nBcc: c"}}, "X-A needs to be a single line"),
        ({"headers": {"X-A": 7}}, "X-A needs to be a single line"),
        ({"scheduled_at": "tomorrow"}, "Invalid `scheduled_at` field"),
        ({"scheduled_at": "2030-01-01T10:00:00"}, "with a zone"),
    ],
)
def test_bad_field_is_named(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ApiError, match=expected) as caught:
        checked(message(**changes))

    assert (caught.value.status, caught.value.name) == (422, "validation_error")


def test_message_that_is_no_object_is_refused() -> None:
    with pytest.raises(ApiError, match="needs to be a JSON object"):
        checked(["to"])


def test_full_message_is_read() -> None:
    found = checked(
        message(
            to=["Ada <ada@example.org>", "bob@example.org"],
            cc="eve@example.org",
            bcc=["dan@example.org"],
            reply_to="desk@news.example",
            text="Hi",
            tags=[{"name": "message", "value": "x" * 256}, {"name": "kind"}],
            headers={"List-Unsubscribe": "<https://example.org/u>"},
            scheduled_at="2030-01-01T10:00:00Z",
        )
    )

    assert found.to == ["ada@example.org", "bob@example.org"]
    assert found.recipients == 4


def test_fifty_recipients_are_taken() -> None:
    assert checked(message(to=["ada@example.org"] * 50)).recipients == 50


def test_attachment_in_a_batch_is_refused() -> None:
    attached = message(attachments=[{"filename": "a.txt", "content": "YQ=="}])
    checked(attached)

    with pytest.raises(ApiError, match="`attachments` field is not supported in a batch"):
        checked(attached, index=0)


def test_schedule_in_a_batch_is_refused_unless_allowed() -> None:
    scheduled = message(scheduled_at="2030-01-01T10:00:00Z")
    checked(scheduled, index=0)

    with pytest.raises(ApiError, match="`scheduled_at` field is not supported in a batch"):
        checked(scheduled, index=0, scheduled_allowed=False)


@pytest.mark.parametrize("status", [None, "not_started", "pending", "failed"])
def test_sender_of_an_unverified_domain_is_forbidden(status: str | None) -> None:
    domains = Domains()
    if status:
        domains.put("news.example", status=status, created_at=0.0)

    with pytest.raises(ApiError, match=r"news\.example domain is not verified") as caught:
        check_sender_domains([checked(message())], domains)

    assert (caught.value.status, caught.value.name) == (403, "validation_error")


def test_sender_below_a_verified_domain_is_forbidden() -> None:
    domains = Domains()
    domains.put("example", status="verified", created_at=0.0)

    with pytest.raises(ApiError):
        check_sender_domains([checked(message())], domains)


def test_one_unverified_sender_among_others_is_found() -> None:
    domains = Domains()
    domains.put("news.example", status="verified", created_at=0.0)
    good = checked(message(**{"from": "News <News@NEWS.example>"}))
    check_sender_domains([good], domains)

    with pytest.raises(ApiError):
        check_sender_domains([good, checked(message(**{"from": "x@other.example"}))], domains)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, st.none() | st.just(0))
def test_any_json_is_accepted_or_refused_with_a_reason(found: object, index: int | None) -> None:
    if isinstance(found, dict):
        found = {**message(), **found}

    with contextlib.suppress(ApiError):
        assert check(found, index=index, scheduled_allowed=True).to
