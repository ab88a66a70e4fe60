from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.integration.sandbox.talking import OTHER_KEY, call, mail, send

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox


def test_same_key_with_another_body_is_refused(sandbox: ResendSandbox) -> None:
    send(sandbox, idempotency_key="k")

    reply = send(sandbox, idempotency_key="k", subject="Other")

    assert (reply.status, reply.name) == (409, "invalid_idempotent_request")
    assert sandbox.stats().accepted == 1


def test_same_key_while_the_first_is_in_flight_is_refused_then_answered(
    sandbox: ResendSandbox,
) -> None:
    sandbox.configure(latency_ms=600)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(send, sandbox, idempotency_key="k")
        time.sleep(0.2)
        sandbox.configure(latency_ms=0)
        during = send(sandbox, idempotency_key="k")
        original = first.result()

    afterwards = send(sandbox, idempotency_key="k")

    assert (during.status, during.name) == (409, "concurrent_idempotent_requests")
    assert afterwards.json == original.json
    assert [request.replayed for request in sandbox.requests()] == [False, False, True]
    assert sandbox.stats().accepted == 1


def test_keys_of_two_accounts_are_apart(sandbox: ResendSandbox) -> None:
    first = send(sandbox, idempotency_key="k")
    other = call(sandbox, "POST", "/emails", mail(), key=OTHER_KEY, Idempotency_Key="k")

    assert other.status == 200
    assert other.json != first.json


def test_key_after_its_time_sends_again(sandbox: ResendSandbox) -> None:
    sandbox.configure(idempotency_ttl_seconds=0.2)
    first = send(sandbox, idempotency_key="k")
    time.sleep(0.25)

    assert send(sandbox, idempotency_key="k").json != first.json
    assert sandbox.stats().accepted == 2


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_key_of_wrong_length_is_refused(sandbox: ResendSandbox, key: str) -> None:
    reply = send(sandbox, idempotency_key=key)

    assert (reply.status, reply.name) == (400, "invalid_idempotency_key")


def test_refused_mail_leaves_its_key_free(sandbox: ResendSandbox) -> None:
    assert send(sandbox, idempotency_key="k", to="nobody").status == 422

    assert send(sandbox, idempotency_key="k").status == 200


def test_refused_mail_holds_its_key_where_errors_are_remembered(sandbox: ResendSandbox) -> None:
    sandbox.configure(remember_errors=True)
    send(sandbox, idempotency_key="k", to="nobody")

    again = send(sandbox, idempotency_key="k", to="nobody")

    assert (again.status, again.name) == (422, "validation_error")
    assert [request.replayed for request in sandbox.requests()] == [False, True]
    assert send(sandbox, idempotency_key="k").name == "invalid_idempotent_request"


@pytest.mark.parametrize("kind", ["500_before", "503"])
def test_error_before_accepting_is_remembered_where_errors_are(
    sandbox: ResendSandbox, kind: str
) -> None:
    sandbox.configure(remember_errors=True)
    sandbox.next_fault(kind)

    replies = [send(sandbox, idempotency_key="k").status for _ in range(2)]

    assert replies in ([500, 500], [503, 503])
    assert sandbox.stats().accepted == 0


def test_error_of_a_proxy_is_never_remembered(sandbox: ResendSandbox) -> None:
    sandbox.configure(remember_errors=True)
    sandbox.next_fault("html_502")
    assert send(sandbox, idempotency_key="k").status == 502

    assert send(sandbox, idempotency_key="k").status == 200


def test_quota_refusal_is_never_remembered(sandbox: ResendSandbox) -> None:
    sandbox.configure(remember_errors=True, daily_quota=0)
    assert send(sandbox, idempotency_key="k").name == "daily_quota_exceeded"

    sandbox.configure(daily_quota=1)

    assert send(sandbox, idempotency_key="k").status == 200
