"""The Resend client on the wire: what leaves, and what each answer becomes."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import resend
from resend.exceptions import ResendError
from resend.http_client import HTTPClient
from structlog.testing import capture_logs

from apps.mail.resend import (
    AccountRefused,
    Ambiguous,
    BatchRefused,
    ResendClient,
    ResendFailure,
    SurelyNotSent,
    Throttled,
)
from apps.mail.resend.sdk_bridge import AccountHTTPClient, SdkCall
from apps.queues.outbound import NotSent, Transport
from tests.integration.queues.scripted_server import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BODY = b'[{"to":["a@example.com"],  "sealed":"as it is \xc3\xbc"},{}]'
ACCEPTED = {"data": [{"id": "id-0"}, {"id": "id-1"}]}


@pytest.fixture(autouse=True)
def sdk_as_it_was() -> Iterator[None]:
    before = resend.default_http_client
    yield
    resend.default_http_client = before


@contextmanager
def client(url: str, *, key: str = "re_first", total_s: float = 2.0) -> Iterator[ResendClient]:
    made = ResendClient(
        key, url, connect_timeout_s=1.0, read_timeout_s=1.0, total_timeout_s=total_s
    )
    with closing(made):
        yield made


def answers(
    payload: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> Callable[[Peer], None]:
    """A script that answers every request of a connection alike."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)

    return script


def refuses(status: int, name: object, message: object = "no", **headers: str) -> Any:
    payload = {"statusCode": status, "name": name, "message": message}
    return answers(payload, status=status, headers=headers)


def failure_of(sender: ResendClient, *, size: int = 2) -> ResendFailure:
    with pytest.raises(ResendFailure) as caught:
        sender.send_batch(BODY, "key", size=size)
    return caught.value


def test_sealed_bytes_leave_as_they_are() -> None:
    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        accepted = sender.send_batch(BODY, "batch-7/1", size=2)

    head, body = server.requests[0].split(b"\r\n\r\n", 1)
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert head.startswith(b"POST /emails/batch HTTP/1.1")
    assert body == BODY
    assert fields["Authorization"] == "Bearer re_first"
    assert fields["Idempotency-Key"] == "batch-7/1"
    assert fields["x-batch-validation"] == "permissive"
    assert fields["Content-Type"] == "application/json"
    assert fields["User-Agent"].startswith("resend-python:")
    assert accepted.ids == ("id-0", "id-1")
    assert accepted.errors == {}


def test_accounts_of_one_process_keep_to_themselves() -> None:
    def send(sender: ResendClient) -> None:
        for _ in range(25):
            sender.send_batch(BODY, "key", size=2)

    script = answers(ACCEPTED)
    with (
        ScriptedServer(script) as first,
        ScriptedServer(script) as second,
        client(first.url, key="re_first") as one,
        client(second.url, key="re_second") as other,
    ):
        threads = [threading.Thread(target=send, args=(each,)) for each in (one, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(first.requests) == len(second.requests) == 50
    assert all(b"Bearer re_first\r\n" in request for request in first.requests)
    assert all(b"Bearer re_second\r\n" in request for request in second.requests)


def test_result_carries_the_limits_and_the_latency() -> None:
    headers = {"ratelimit-limit": "5", "ratelimit-remaining": "3", "ratelimit-reset": "1"}
    script = answers(ACCEPTED, headers=headers)
    with ScriptedServer(script) as server, client(server.url) as sender:
        accepted = sender.send_batch(BODY, "key", size=2)

    assert (accepted.rate.limit, accepted.rate.remaining, accepted.rate.reset_s) == (5, 3, 1)
    assert 0 < accepted.latency_ms < 1_000


def test_failure_carries_the_limits_and_the_latency() -> None:
    script = refuses(429, "rate_limit_exceeded", **{"retry-after": "2", "ratelimit-limit": "10"})
    with ScriptedServer(script) as server, client(server.url) as sender:
        failure = failure_of(sender)

    assert isinstance(failure, Throttled)
    assert failure.retry_after_s == 2
    assert failure.rate.limit == 10
    assert failure.latency_ms > 0


def test_refused_message_keeps_its_place() -> None:
    partly = {"data": [{"id": "id-1"}], "errors": [{"index": 0, "message": "bad a@example.com"}]}
    with ScriptedServer(answers(partly)) as server, client(server.url) as sender:
        accepted = sender.send_batch(BODY, "key", size=2)

    assert accepted.ids == (None, "id-1")
    assert accepted.errors == {0: "bad <address>"}


@pytest.mark.parametrize(
    ("script", "name"),
    [
        pytest.param(answers({"data": [{"id": "id-0"}]}), "wrong_count", id="wrong-count"),
        pytest.param(answers({"ok": True}), "unreadable", id="other-json"),
        pytest.param(answers([1, 2]), "unreadable", id="list"),
        pytest.param(answers(None), "unreadable", id="null"),
        pytest.param(answers(b'{"data": [{"id"'), "unreadable", id="broken-json"),
        pytest.param(answers(b"\xff\xfe\x00"), "unreadable", id="binary"),
        pytest.param(answers(b"[" * 100_000), "unreadable", id="nested"),
        pytest.param(answers(b""), "unreadable", id="empty"),
        pytest.param(answers(b"<html>", content_type="text/html"), "unreadable", id="html-success"),
        pytest.param(
            answers(b"<html>", status=502, content_type="text/html"), "not_json", id="html-502"
        ),
        pytest.param(
            answers(b"<html>", status=403, content_type="text/html"), "not_json", id="html-403"
        ),
        pytest.param(refuses(500, "application_error"), "application_error", id="500"),
        pytest.param(refuses(503, "service_unavailable"), "service_unavailable", id="503"),
        pytest.param(refuses(500, 7, ["x"]), "unnamed", id="odd-error"),
        pytest.param(refuses(422, {"a": 1}), "unreadable", id="odder-error"),
        pytest.param(answers([1], status=500), "InternalServerError", id="list-500"),
        pytest.param(lambda peer: peer.read_request() and peer.reset(), "reset", id="reset"),
        pytest.param(lambda peer: peer.read_request(), "disconnected", id="closed"),
        pytest.param(lambda peer: peer.read_request() and peer.hang(), "timeout", id="silence"),
    ],
)
def test_answer_in_doubt_is_ambiguous(script: Callable[[Peer], None], name: str) -> None:
    with ScriptedServer(script) as server, client(server.url) as sender:
        failure = failure_of(sender)

    assert type(failure) is Ambiguous
    assert failure.name == name
    assert failure.latency_ms > 0
    assert len(server.requests) == 1


def test_dripped_answer_ends_with_the_total_timeout() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500, every_s=0.05)

    with ScriptedServer(script) as server, client(server.url, total_s=0.3) as sender:
        failure = failure_of(sender)

    assert type(failure) is Ambiguous
    assert failure.name == "deadline"
    assert failure.latency_ms < 2_000


def test_provider_that_is_not_there_was_surely_not_asked() -> None:
    with client("http://127.0.0.1:1") as sender:
        failure = failure_of(sender)

    assert type(failure) is SurelyNotSent
    assert failure.name == "refused"
    assert isinstance(failure.__cause__, NotSent)
    assert failure.latency_ms > 0


def test_missed_slot_was_surely_not_sent() -> None:
    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        with pytest.raises(SurelyNotSent, match="late"):
            sender.send_batch(BODY, "key", size=2, leave_by=time.monotonic() - 1)
        sender.send_batch(BODY, "key", size=2, leave_by=time.monotonic() + 1)

    assert (server.connections, len(server.requests)) == (1, 1)


def test_connection_opened_ahead_is_used() -> None:
    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        sender.connect_ahead()
        sender.send_batch(BODY, "key", size=2)

    assert server.connections == 1


def test_connection_that_cannot_be_opened_ahead_says_so() -> None:
    with client("http://127.0.0.1:1") as sender, pytest.raises(SurelyNotSent, match="refused"):
        sender.connect_ahead()


def test_redirect_stops_the_account() -> None:
    script = answers(ACCEPTED, status=302, headers={"Location": "/elsewhere"})
    with ScriptedServer(script) as server, client(server.url) as sender:
        failure = failure_of(sender)

    assert type(failure) is AccountRefused
    assert failure.status == 302


def test_error_in_a_successful_answer_is_judged_by_its_own_code() -> None:
    payload = {"statusCode": 422, "name": "validation_error", "message": "no"}
    with ScriptedServer(answers(payload)) as server, client(server.url) as sender:
        failure = failure_of(sender)

    assert type(failure) is BatchRefused


def test_failure_tells_no_addresses_not_even_in_its_chain() -> None:
    message = "Invalid `to`: jane@example.com, key re_secret123"
    with (
        ScriptedServer(refuses(422, "validation_error", message)) as server,
        client(server.url) as sender,
        capture_logs() as logs,
    ):
        failure = failure_of(sender)

    chain: list[BaseException] = []
    link: BaseException | None = failure
    while link is not None:
        chain.append(link)
        link = link.__cause__ or link.__context__
    told = " ".join([repr(each) + str(each) for each in chain] + [repr(logs)])
    assert str(failure) == "422 validation_error: Invalid `to`: <address>, key <key>"
    assert "jane" not in told
    assert "re_" not in told


def test_each_call_leaves_one_line_in_the_log() -> None:
    with (
        ScriptedServer(answers(ACCEPTED)) as server,
        client(server.url) as sender,
        capture_logs() as logs,
    ):
        sender.send_batch(BODY, "key", size=2)
        failure_of(sender, size=3)

    assert [(line["operation"], line["outcome"], line["status"]) for line in logs] == [
        ("send_batch", "ok", 200),
        ("send_batch", "Ambiguous", 200),
    ]
    assert all(line["event"] == "resend_call" and line["latency_ms"] > 0 for line in logs)


def test_mistake_of_ours_is_raised_as_it_is() -> None:
    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        sender._authorization = "Bearer with\r\nbreak"

        with pytest.raises(ValueError, match="header"):
            sender.send_batch(BODY, "key", size=2)

    assert server.requests == []


# --- Domains and emails -------------------------------------------------------------------------


def pages(*listed: object) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for payload in listed:
            peer.read_request()
            body = json.dumps(payload).encode()
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            peer.send(head % len(body) + body)

    return script


def domain(name: str, status: str = "verified") -> dict[str, str]:
    return {"id": f"id-{name}", "name": name, "status": status}


def test_domains_are_read_page_by_page() -> None:
    first = {"object": "list", "has_more": True, "data": [domain("A.example"), domain("b.example")]}
    second = {"object": "list", "has_more": False, "data": [domain("c.example", "pending")]}
    with ScriptedServer(pages(first, second)) as server, client(server.url) as sender:
        found = sender.verified_domains()

    assert found == {"a.example": "verified", "b.example": "verified", "c.example": "pending"}
    lines = [request.split(b"\r\n")[0] for request in server.requests]
    assert lines == [
        b"GET /domains?limit=100 HTTP/1.1",
        b"GET /domains?limit=100&after=id-b.example HTTP/1.1",
    ]
    assert all(request.endswith(b"\r\n\r\n") for request in server.requests)


def test_domains_that_never_end_are_read_once() -> None:
    endless = {"has_more": True, "data": [domain("a.example")]}
    with ScriptedServer(pages(*[endless] * 5)) as server, client(server.url) as sender:
        assert sender.verified_domains() == {"a.example": "verified"}

    assert len(server.requests) == 2


@pytest.mark.parametrize("payload", [{}, [], {"data": ["x"]}, {"data": [{"id": "1"}]}])
def test_domains_that_are_none_are_ambiguous(payload: object) -> None:
    with (
        ScriptedServer(answers(payload)) as server,
        client(server.url) as sender,
        pytest.raises(Ambiguous, match="unreadable"),
    ):
        sender.verified_domains()


def test_email_is_found_by_its_id() -> None:
    payload = {"object": "email", "id": "e-1", "to": ["a@example.com"], "last_event": "bounced"}
    with ScriptedServer(answers(payload)) as server, client(server.url) as sender:
        email = sender.get_email("e-1")

    assert email is not None
    assert (email.id, email.last_event) == ("e-1", "bounced")
    assert server.requests[0].startswith(b"GET /emails/e-1 HTTP/1.1\r\n")


def test_email_that_does_not_exist_is_none() -> None:
    with ScriptedServer(refuses(404, "not_found")) as server, client(server.url) as sender:
        assert sender.get_email("e-1") is None


def test_email_asked_with_a_wrong_key_is_not_none() -> None:
    with (
        ScriptedServer(refuses(403, "invalid_api_key")) as server,
        client(server.url) as sender,
        pytest.raises(AccountRefused),
    ):
        sender.get_email("e-1")


# --- The SDK around us --------------------------------------------------------------------------


class OtherClient(HTTPClient):
    """Whatever else in the process uses the SDK."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def request(self, method: str, url: str, *_: Any, **__: Any) -> Any:
        self.urls.append(f"{method} {url}")
        return b'{"id": "other"}', 200, {"content-type": "application/json"}


def test_calls_that_are_not_ours_go_the_way_they_went_before() -> None:
    other = OtherClient()
    resend.default_http_client = other

    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        sender.send_batch(BODY, "key", size=2)
        resend.Emails.get("theirs")

    assert isinstance(resend.default_http_client, AccountHTTPClient)
    assert other.urls == [f"get {resend.api_url}/emails/theirs"]
    assert len(server.requests) == 1


def test_our_calls_never_go_through_somebody_elses_client() -> None:
    other = OtherClient()
    with ScriptedServer(answers(ACCEPTED)) as server, client(server.url) as sender:
        sender.send_batch(BODY, "key", size=2)
        resend.default_http_client = other
        sender.send_batch(BODY, "key", size=2)

    assert other.urls == []
    assert len(server.requests) == 2


def test_parameters_of_other_operations_are_sent_as_json() -> None:
    with (
        ScriptedServer(answers({"id": "d"})) as server,
        closing(
            Transport(server.url, connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1)
        ) as transport,
    ):
        SdkCall(transport, "Bearer re_1").run(lambda: resend.Domains.create({"name": "a.example"}))

    assert server.requests[0].startswith(b"POST /domains HTTP/1.1\r\n")
    assert server.requests[0].endswith(b'\r\n\r\n{"name":"a.example"}')
    assert b"Content-Type: application/json\r\n" in server.requests[0]


def test_sdk_errors_of_other_operations_reach_the_caller() -> None:
    with (
        ScriptedServer(refuses(422, "validation_error")) as server,
        closing(
            Transport(server.url, connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1)
        ) as transport,
        pytest.raises(ResendError),
    ):
        SdkCall(transport, "Bearer re_1").run(lambda: resend.Domains.create({"name": "a.example"}))
