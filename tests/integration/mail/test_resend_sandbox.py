"""The Resend client against the stand-in: each fault, and what a retry under the key gives."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import resend

from apps.mail.resend import (
    AccountRefused,
    Ambiguous,
    KeyMismatch,
    QuotaExceeded,
    ResendClient,
    ResendFailure,
    SenderRefused,
    Throttled,
)
from apps.sandbox.handle import ResendSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def sdk_as_it_was() -> Iterator[None]:
    before = resend.default_http_client
    yield
    resend.default_http_client = before


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[ResendSandbox]:
    accounts = {"main": "re_main0001", "small": "re_small001"}
    with ResendSandbox(
        tmp_path, accounts=accounts, domains=["example.com"], rate_limit=0
    ) as server:
        yield server


def client(sandbox: ResendSandbox, key: str = "re_main0001") -> ResendClient:
    return ResendClient(
        key, sandbox.url, connect_timeout_s=1.0, read_timeout_s=0.5, total_timeout_s=0.8
    )


def sealed(*recipients: str, sender: str = "Station <news@example.com>") -> bytes:
    mails = [
        {"from": sender, "to": [to], "subject": "Hello", "text": f"Hello {to}"} for to in recipients
    ]
    return json.dumps(mails).encode()


def accepted_ids(sandbox: ResendSandbox) -> list[str]:
    return [message.id for message in sandbox.accepted()]


def test_batch_is_accepted_with_the_ids_of_the_log(sandbox: ResendSandbox) -> None:
    body = sealed("a@example.org", "no address", "b@example.org")
    with closing(client(sandbox)) as sender:
        accepted = sender.send_batch(body, "key-1", size=3)

    log = list(sandbox.accepted())
    assert accepted.ids == (log[0].id, None, log[1].id)
    assert [message.to for message in log] == [("a@example.org",), ("b@example.org",)]
    assert list(accepted.errors) == [1]
    assert accepted.rate.limit == 1_000_000


@pytest.mark.parametrize(
    ("fault", "kind", "accepts"),
    [
        ("429", Throttled, False),
        ("500_before", Ambiguous, False),
        ("500_after", Ambiguous, True),
        ("503", Ambiguous, False),
        ("reset_before", Ambiguous, False),
        ("reset_after", Ambiguous, True),
        ("timeout_before", Ambiguous, False),
        ("timeout_after", Ambiguous, True),
        ("garbage", Ambiguous, True),
        ("slow_drip", Ambiguous, True),
        ("html_502", Ambiguous, False),
        ("html_502_after", Ambiguous, True),
        ("truncated", Ambiguous, True),
        ("wrong_count", Ambiguous, True),
    ],
)
def test_retry_under_the_same_key_sends_once(
    sandbox: ResendSandbox, fault: Any, kind: type[ResendFailure], *, accepts: bool
) -> None:
    body = sealed("a@example.org", "b@example.org")
    sandbox.next_fault(fault)

    with closing(client(sandbox)) as sender:
        with pytest.raises(kind):
            sender.send_batch(body, "key-1", size=2)
        before_retry = accepted_ids(sandbox)
        again = sender.send_batch(body, "key-1", size=2)

    assert bool(before_retry) == accepts
    assert list(again.ids) == accepted_ids(sandbox)
    assert len(again.ids) == 2


def test_same_key_with_other_bytes_is_our_bug(sandbox: ResendSandbox) -> None:
    with closing(client(sandbox)) as sender:
        sender.send_batch(sealed("a@example.org"), "key-1", size=1)

        with pytest.raises(KeyMismatch):
            sender.send_batch(sealed("b@example.org"), "key-1", size=1)


def test_sender_of_an_unverified_domain_is_refused(sandbox: ResendSandbox) -> None:
    with closing(client(sandbox)) as sender, pytest.raises(SenderRefused):
        sender.send_batch(sealed("a@example.org", sender="x@elsewhere.org"), "key-1", size=1)


def test_unknown_key_is_refused(sandbox: ResendSandbox) -> None:
    with closing(client(sandbox, "re_wrong001")) as sender, pytest.raises(AccountRefused):
        sender.send_batch(sealed("a@example.org"), "key-1", size=1)


def test_spent_quota_is_told_by_name(sandbox: ResendSandbox) -> None:
    sandbox.configure(daily_quota=1)
    with closing(client(sandbox)) as sender, pytest.raises(QuotaExceeded) as caught:
        sender.send_batch(sealed("a@example.org", "b@example.org"), "key-1", size=2)

    assert caught.value.name == "daily_quota_exceeded"


def test_verified_domains_of_the_account(sandbox: ResendSandbox) -> None:
    with closing(client(sandbox)) as sender:
        assert sender.verified_domains()["example.com"] == "verified"


def test_email_is_found_after_it_was_sent(sandbox: ResendSandbox) -> None:
    with closing(client(sandbox)) as sender:
        accepted = sender.send_batch(sealed("a@example.org"), "key-1", size=1)
        email = sender.get_email(str(accepted.ids[0]))
        nothing = sender.get_email("00000000-0000-4000-8000-000000000000")

    assert email is not None
    assert email.id == accepted.ids[0]
    assert nothing is None
