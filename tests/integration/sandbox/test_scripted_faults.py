"""Each kind of fault: what the client sees, and whether the mail was accepted."""

from __future__ import annotations

import contextlib
import errno
import time
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from apps.sandbox.faults import ACCEPTING, FaultKind
from apps.sandbox.handle import SandboxError
from tests.integration.sandbox.talking import call, connect, head, mail, send

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox


def accepted(sandbox: ResendSandbox) -> int:
    return len(list(sandbox.accepted()))


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (FaultKind.RATE_LIMITED, 429, "rate_limit_exceeded"),
        (FaultKind.ERROR_BEFORE, 500, "application_error"),
        (FaultKind.ERROR_AFTER, 500, "application_error"),
        (FaultKind.UNAVAILABLE, 503, "service_unavailable"),
    ],
)
def test_error_fault_answers_as_the_provider(
    sandbox: ResendSandbox, kind: FaultKind, status: int, name: str
) -> None:
    sandbox.next_fault(kind)

    reply = send(sandbox)

    assert (reply.status, reply.name) == (status, name)
    assert accepted(sandbox) == (kind in ACCEPTING)
    assert ("retry-after" in reply.headers) == (status == 429)


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
def test_reset_fault_resets_the_connection(sandbox: ResendSandbox, kind: FaultKind) -> None:
    sandbox.next_fault(kind)

    with pytest.raises(ConnectionResetError) as caught:
        send(sandbox)

    assert caught.value.errno == errno.ECONNRESET  # a plain close has no number
    assert accepted(sandbox) == (kind in ACCEPTING)


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER])
def test_timeout_fault_says_nothing(sandbox: ResendSandbox, kind: FaultKind) -> None:
    sandbox.next_fault(kind)

    with pytest.raises(TimeoutError):
        call(sandbox, "POST", "/emails", mail(), timeout=0.3)

    assert accepted(sandbox) == (kind in ACCEPTING)


def test_timeout_fault_closes_after_its_seconds(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.TIMEOUT_AFTER, seconds=0.2)

    with pytest.raises(ConnectionError):
        send(sandbox)


def test_garbage_is_a_success_without_json(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.GARBAGE)

    reply = send(sandbox)

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    with pytest.raises(ValueError, match=r"unexpected|unterminated|EOF|JSON"):
        _ = reply.json
    assert accepted(sandbox) == 1


@pytest.mark.parametrize("kind", [FaultKind.HTML_502, FaultKind.HTML_502_AFTER])
def test_proxy_fault_is_html(sandbox: ResendSandbox, kind: FaultKind) -> None:
    sandbox.next_fault(kind)

    reply = send(sandbox)

    assert (reply.status, reply.headers["content-type"]) == (502, "text/html")
    assert accepted(sandbox) == (kind in ACCEPTING)


def test_truncated_answer_is_shorter_than_announced(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.TRUNCATED)
    body = b'{"from":"a@news.example","to":"b@example.org","subject":"s","text":"t"}'

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", f"Content-Length: {len(body)}") + body)
        received = b"".join(iter(lambda: connection.recv(4096), b""))

    start, _, rest = received.partition(b"\r\n\r\n")
    assert b"content-length: 45" in start
    assert 0 < len(rest) < 45
    assert accepted(sandbox) == 1


def test_slow_drip_comes_a_byte_at_a_time(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.SLOW_DRIP, seconds=0.005)
    body = b'{"from":"a@news.example","to":"b@example.org","subject":"s","text":"t"}'
    sizes = []

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", f"Content-Length: {len(body)}") + body)
        while received := connection.recv(4096):
            sizes.append(len(received))

    assert sizes.count(1) > len(sizes) / 2  # a busy machine may hand over a few at once
    assert sum(sizes) > 150
    assert accepted(sandbox) == 1


def test_wrong_count_lacks_the_last_id(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.WRONG_COUNT, count=2)

    batch = call(sandbox, "POST", "/emails/batch", [mail()] * 3)
    single = send(sandbox)

    assert len(batch.json["data"]) == 2
    assert single.json == {}
    assert accepted(sandbox) == 4


def test_delay_answers_late_and_right(sandbox: ResendSandbox) -> None:
    sandbox.next_fault(FaultKind.DELAY, seconds=0.4)
    started = time.monotonic()

    reply = send(sandbox)

    assert reply.status == 200
    assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize("kind", list(FaultKind))
def test_retry_under_the_same_key_is_accepted_exactly_once(
    sandbox: ResendSandbox, kind: FaultKind
) -> None:
    sandbox.configure(drip_interval_seconds=0.0, hang_seconds=0.1, delay_seconds=0.0)
    sandbox.next_fault(kind)
    with contextlib.suppress(OSError, HTTPException):
        send(sandbox, idempotency_key="k")

    reply = send(sandbox, idempotency_key="k")

    assert reply.status == 200
    [message] = sandbox.accepted()
    assert reply.json == {"id": message.id}


def test_fault_of_a_repeated_send_accepts_nothing_again(sandbox: ResendSandbox) -> None:
    first = send(sandbox, idempotency_key="k")
    sandbox.next_fault(FaultKind.ERROR_AFTER)
    sandbox.next_fault(FaultKind.ERROR_BEFORE)

    statuses = [send(sandbox, idempotency_key="k").status for _ in range(2)]

    assert statuses == [500, 500]
    assert send(sandbox, idempotency_key="k").json == first.json
    assert accepted(sandbox) == 1


def test_faults_are_for_sends_only(sandbox: ResendSandbox) -> None:
    sandbox.configure(faults={"500_before": 1.0})

    assert call(sandbox, "GET", "/domains").status == 200
    assert call(sandbox, "GET", "/emails").status == 200
    assert send(sandbox).status == 500


def test_script_and_rates_are_the_same_after_a_reset(sandbox: ResendSandbox) -> None:
    sandbox.configure(faults={"500_before": 0.2, "503": 0.2}, fault_script={3: "html_502"}, seed=7)

    first = [send(sandbox).status for _ in range(40)]
    sandbox.reset()
    second = [send(sandbox).status for _ in range(40)]

    assert first == second
    assert first[2] == 502
    assert {200, 500, 503} <= set(first)


def test_request_refused_by_the_rate_limit_uses_up_no_fault(sandbox: ResendSandbox) -> None:
    sandbox.configure(rate_limit=1, fault_script={2: "garbage"})
    send(sandbox)

    refused = send(sandbox)
    sandbox.configure(rate_limit=0)
    faulty = send(sandbox)

    assert (refused.status, refused.name) == (429, "rate_limit_exceeded")
    assert faulty.status == 200
    assert faulty.body.startswith(b'{"data"')


def test_unknown_fault_is_refused_with_the_known_ones(sandbox: ResendSandbox) -> None:
    with pytest.raises(SandboxError, match="kind: expected one of 429, 500_before"):
        sandbox.next_fault("500")
