"""The transport against a server that misbehaves on purpose."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from apps.queues.outbound import Ambiguous, Answer, NotSent, OutboundError, Transport
from apps.queues.outbound.wire import Wire
from tests.integration.queues.scripted_server import (
    OK,
    Peer,
    ScriptedServer,
    answer_always,
    make_certificate,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@contextmanager
def transport(url: str, **changes: Any) -> Iterator[Transport]:
    facts: dict[str, Any] = {
        "connect_timeout_s": 1.0,
        "read_timeout_s": 1.0,
        "total_timeout_s": 3.0,
        "max_answer_bytes": 100_000,
    }
    with closing(Transport(url, **(facts | changes))) as made:
        yield made


def post(sender: Transport, body: bytes = b"[]", *, leave_by: float | None = None) -> Answer:
    headers = {"Content-Type": "application/json", "User-Agent": "test"}
    return sender.request("POST", "/emails/batch", headers=headers, body=body, leave_by=leave_by)


def failure_of(sender: Transport, body: bytes = b"[]") -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        post(sender, body)
    return caught.value


def after_request(then: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """A script: read one request, then misbehave."""

    def script(peer: Peer) -> None:
        peer.read_request()
        then(peer)

    return script


def sends(content: bytes) -> Callable[[Peer], None]:
    return after_request(lambda peer: peer.send(content))


def test_request_arrives_as_given_and_its_answer_comes_back() -> None:
    with ScriptedServer(answer_always) as server, transport(server.url + "/base/") as sender:
        answer = post(sender, b'[{"sealed": true}]')

    head, body = server.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /base/emails/batch HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert body == b'[{"sealed": true}]'
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert 0 < answer.latency_ms < 1_000


def test_connection_is_kept_for_the_next_request() -> None:
    with ScriptedServer(answer_always) as server, transport(server.url) as sender:
        for _ in range(5):
            post(sender)

    assert (server.connections, len(server.requests)) == (1, 5)


def test_threads_get_their_own_answers() -> None:
    def echo(peer: Peer) -> None:
        while True:
            body = peer.read_request()
            time.sleep(0.005)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    wrong: list[bytes] = []

    def send(sender: Transport, name: str) -> None:
        for number in range(20):
            body = f"{name}-{number}".encode()
            if post(sender, body).body != body:
                wrong.append(body)

    with ScriptedServer(echo) as server, transport(server.url) as sender:
        threads = [threading.Thread(target=send, args=(sender, str(n))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert len(server.requests) == 160
    assert server.connections <= 8


def test_chunked_answer_is_put_together() -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with ScriptedServer(sends(HEAD + chunked)) as server, transport(server.url) as sender:
        assert post(sender).body == b"abcde"


def test_redirect_is_an_answer_and_is_not_followed() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(sends(elsewhere)) as server, transport(server.url) as sender:
        assert post(sender).status == 302

    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)

    with ScriptedServer(answer_always) as server, transport(server.url) as sender:
        assert post(sender).status == 200


# --- Nothing waits past the deadline ------------------------------------------------------------


def drips(content: bytes) -> Callable[[Peer], None]:
    return after_request(lambda peer: peer.drip(content, every_s=0.05))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEAD + b"X-Slow: " + b"x" * 500, id="headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 50, id="interim"),
    ],
)
def test_dripped_head_ends_with_the_deadline(content: bytes) -> None:
    with (
        ScriptedServer(drips(content)) as server,
        transport(server.url, total_timeout_s=0.4) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert 380 <= failure.latency_ms <= 2_000


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 500\r\n\r\n", id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n", id="chunked"),
        pytest.param(b"Connection: close\r\n\r\n", id="until-closed"),
    ],
)
def test_dripped_body_ends_with_the_deadline(head: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + head)
        peer.drip(b"x" * 500, every_s=0.05)

    with ScriptedServer(script) as server, transport(server.url, total_timeout_s=0.4) as sender:
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert 380 <= failure.latency_ms <= 2_000


def test_upload_that_is_not_read_ends_with_the_deadline() -> None:
    with (
        ScriptedServer(lambda peer: peer.hang()) as server,
        transport(server.url, total_timeout_s=0.4) as sender,
    ):
        failure = failure_of(sender, b"x" * 30_000_000)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert failure.latency_ms <= 2_000


def test_upload_that_is_read_slowly_ends_with_the_deadline() -> None:
    def script(peer: Peer) -> None:
        for _ in range(100):
            peer.sock.recv(10_000)
            time.sleep(0.02)

    with ScriptedServer(script) as server, transport(server.url, total_timeout_s=0.4) as sender:
        failure = failure_of(sender, b"x" * 30_000_000)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert failure.latency_ms <= 2_000


def test_silence_ends_with_the_read_timeout() -> None:
    with (
        ScriptedServer(after_request(Peer.hang)) as server,
        transport(server.url, read_timeout_s=0.2) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "timeout"
    assert 180 <= failure.latency_ms <= 2_000


# --- Surely not sent ----------------------------------------------------------------------------


def test_refused_connection_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with transport(f"http://127.0.0.1:{port}") as sender:
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "refused"


def test_unknown_name_sent_nothing() -> None:
    with transport("http://no-such-host.invalid") as sender:
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "dns"


@pytest.fixture
def full_listener() -> Iterator[int]:
    """The port of a listener whose queue is full: it leaves further callers without an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port
        for sock in waiting:
            sock.close()


def test_connection_that_is_not_taken_ends_with_the_connect_timeout(full_listener: int) -> None:
    with transport(f"http://127.0.0.1:{full_listener}", connect_timeout_s=0.2) as sender:
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "connect_timeout"
    assert 180 <= failure.latency_ms <= 2_000


def test_second_address_is_tried_when_the_first_is_dead(
    full_listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        ScriptedServer(answer_always) as server,
        transport(server.url, connect_timeout_s=0.4) as sender,
    ):
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*kind, ("127.0.0.1", port)) for port in (full_listener, server.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert post(sender).status == 200


def test_late_request_does_not_leave_and_its_connection_is_kept() -> None:
    with ScriptedServer(answer_always) as server, transport(server.url) as sender:
        with pytest.raises(NotSent, match="late"):
            post(sender, leave_by=time.monotonic() - 0.001)
        post(sender, leave_by=time.monotonic() + 1)

    assert (server.connections, len(server.requests)) == (1, 1)


def test_connection_opened_ahead_is_used() -> None:
    with ScriptedServer(answer_always) as server, transport(server.url) as sender:
        sender.connect_ahead()
        sender.connect_ahead()
        post(sender)

    assert (server.connections, len(server.requests)) == (1, 1)


def test_request_refused_at_its_first_byte_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.reset()

    with ScriptedServer(script) as server, transport(server.url) as sender:
        post(sender)
        time.sleep(0.1)
        monkeypatch.setattr(Wire, "is_idle", lambda _: True)  # the reset comes in just after
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "reset"


# --- Ambiguous ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        pytest.param(Peer.reset, "reset", id="reset"),
        pytest.param(lambda _: None, "disconnected", id="closed"),
        pytest.param(lambda peer: peer.send(b"garbage\r\n\r\n"), "garbled", id="not-http"),
        pytest.param(lambda peer: peer.send(HEAD + b"Content-Le"), "truncated", id="half-head"),
        pytest.param(
            lambda peer: peer.send(HEAD + b"Content-Length: 9\r\n\r\nabc"), "truncated", id="short"
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"Content-Length: 9\r\n\r\n"), "truncated", id="no-body"
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc"),
            "truncated",
            id="short-chunk",
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-7\r\nabc"),
            "garbled",
            id="negative-chunk",
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"Content-Length: 999999999999\r\n\r\n"),
            "too_large",
            id="announced-too-large",
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"\r\n" + b"x" * 300_000), "too_large", id="endless"
        ),
        pytest.param(
            lambda peer: peer.send(
                HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 300_000
            ),
            "garbled",
            id="broken-chunk",
        ),
        pytest.param(
            lambda peer: peer.send(
                HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"FFFFFFFFFF\r\n" + b"x" * 300_000
            ),
            "too_large",
            id="chunk-too-large",
        ),
        pytest.param(
            lambda peer: peer.send(HEAD + b"X-Long: %b\r\n\r\n" % (b"x" * 70_000)),
            "garbled",
            id="header-too-long",
        ),
        pytest.param(
            lambda peer: peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "garbled", id="interim"
        ),
        pytest.param(
            lambda peer: peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000),
            "too_large",
            id="endless-interim",
        ),
        pytest.param(
            lambda peer: peer.send(
                HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
            ),
            "encoded",
            id="compressed",
        ),
    ],
)
def test_spoilt_answer_is_ambiguous(then: Callable[[Peer], None], reason: str) -> None:
    with (
        ScriptedServer(after_request(then), answer_always) as server,
        transport(server.url) as sender,
    ):
        failure = failure_of(sender)
        post(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == reason
    assert failure.latency_ms > 0
    # Nothing was repeated, and the spoilt connection was not used again.
    assert (server.connections, len(server.requests)) == (2, 2)


def test_early_answer_to_an_upload_counts() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.1)  # the client is in the middle of its upload; closing now resets it

    with ScriptedServer(script, answer_always) as server, transport(server.url) as sender:
        status = post(sender, b"x" * 30_000_000).status
        post(sender)

    assert status == 413
    assert server.connections == 2


# --- Stale connections --------------------------------------------------------------------------


def test_connection_closed_while_idle_is_replaced() -> None:
    with ScriptedServer(sends(OK)) as server, transport(server.url) as sender:
        post(sender)
        time.sleep(0.1)
        post(sender)

    assert (server.connections, len(server.requests)) == (2, 2)


def test_connection_closed_by_the_next_request_is_ambiguous_and_nothing_is_repeated() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.read_request()

    with ScriptedServer(script, answer_always) as server, transport(server.url) as sender:
        post(sender)
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "disconnected"
    assert (server.connections, len(server.requests)) == (1, 2)


def test_connection_with_leftover_bytes_is_not_used_again() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        time.sleep(0.05)
        peer.send(OK)
        peer.hang()

    with ScriptedServer(script, answer_always) as server, transport(server.url) as sender:
        post(sender)
        time.sleep(0.15)
        post(sender)

    assert server.connections == 2


def test_connection_idle_for_too_long_is_replaced() -> None:
    with (
        ScriptedServer(answer_always) as server,
        transport(server.url, idle_limit_s=0.05) as sender,
    ):
        post(sender)
        time.sleep(0.1)
        post(sender)

    assert server.connections == 2


def test_connection_that_will_be_closed_is_not_used_again() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.3)

    with ScriptedServer(script, answer_always) as server, transport(server.url) as sender:
        post(sender)
        post(sender)

    assert server.connections == 2


def test_answer_that_closes_is_complete_and_its_connection_gone() -> None:
    closing_answer = HEAD + b"Connection: close\r\n\r\nall of it"
    with ScriptedServer(sends(closing_answer)) as server, transport(server.url) as sender:
        answers = [post(sender).body for _ in range(2)]

    assert answers == [b"all of it"] * 2
    assert server.connections == 2


def _post_in_child(sender: Transport, result: Connection) -> None:
    result.send(post(sender, b"child").status)


def test_connection_is_not_shared_with_a_forked_child() -> None:
    context = multiprocessing.get_context("fork")
    with ScriptedServer(answer_always) as server, transport(server.url) as sender:
        post(sender, b"before")
        receiver, result = context.Pipe(duplex=False)
        child = context.Process(target=_post_in_child, args=(sender, result))

        child.start()
        child.join(20)
        post(sender, b"after")

        assert receiver.poll(0)
        assert receiver.recv() == 200
    # The child opened its own; the parent's was neither used nor ended by it.
    assert server.connections == 2
    assert [each.rpartition(b"\r\n")[2] for each in server.requests] == [
        b"before",
        b"child",
        b"after",
    ]


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_tls_connection_opened_ahead_is_kept(certificate: tuple[Path, ssl.SSLContext]) -> None:
    trusted, context = certificate
    with (
        ScriptedServer(answer_always, context=context) as server,
        transport(server.url, ca_file=str(trusted)) as sender,
    ):
        sender.connect_ahead()
        time.sleep(0.1)  # the server's session tickets are waiting by now
        answers = [post(sender, b"x" * 1_000_000) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert (server.connections, len(server.requests)) == (1, 3)


def test_tls_drip_ends_with_the_deadline(certificate: tuple[Path, ssl.SSLContext]) -> None:
    trusted, context = certificate
    with (
        ScriptedServer(drips(HEAD + b"X-Slow: " + b"x" * 500), context=context) as server,
        transport(server.url, ca_file=str(trusted), total_timeout_s=0.4) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert failure.latency_ms <= 2_000


def test_tls_upload_that_is_not_read_ends_with_the_deadline(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    trusted, context = certificate
    with (
        ScriptedServer(lambda peer: peer.hang(), context=context) as server,
        transport(server.url, ca_file=str(trusted), total_timeout_s=0.5) as sender,
    ):
        failure = failure_of(sender, b"x" * 30_000_000)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "deadline"
    assert failure.latency_ms <= 2_000


def test_tls_answer_cut_off_is_ambiguous(certificate: tuple[Path, ssl.SSLContext]) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + b"Connection: close\r\n\r\n" + b"half of")
        peer.sock.close()  # without TLS's own goodbye

    trusted, context = certificate
    with (
        ScriptedServer(script, context=context) as server,
        transport(server.url, ca_file=str(trusted)) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, Ambiguous)
    assert failure.reason == "reset"


def test_tls_certificate_that_is_not_trusted_sends_nothing(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    with (
        ScriptedServer(answer_always, context=certificate[1]) as server,
        transport(server.url) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "tls"
    assert server.requests == []


def test_tls_handshake_that_hangs_ends_with_the_connect_timeout() -> None:
    with (
        ScriptedServer(lambda peer: peer.hang()) as server,
        transport(server.url.replace("http:", "https:"), connect_timeout_s=0.2) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "connect_timeout"
    assert failure.latency_ms <= 2_000


def test_tls_handshake_has_all_that_is_left_of_the_connect_timeout(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shake_slowly(peer: Peer) -> None:
        time.sleep(0.6)
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        answer_always(peer)

    trusted, context = certificate
    with (
        ScriptedServer(shake_slowly) as server,
        transport(
            server.url.replace("http:", "https:"), ca_file=str(trusted), connect_timeout_s=1.1
        ) as sender,
    ):
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address, address])

        assert post(sender).status == 200


def test_tls_to_a_plain_server_sends_nothing() -> None:
    with (
        ScriptedServer(lambda peer: peer.send(OK)) as server,
        transport(server.url.replace("http:", "https:")) as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason in ("tls", "reset")


def test_host_with_an_address_that_is_not_admitted_is_never_connected_to() -> None:
    with (
        ScriptedServer(answer_always) as server,
        transport(server.url, admit=lambda address: address != "127.0.0.1") as sender,
    ):
        failure = failure_of(sender)

    assert isinstance(failure, NotSent)
    assert failure.reason == "address"
    assert server.connections == 0


def test_one_address_that_is_not_admitted_refuses_a_host_with_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(answer_always) as server:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port))
            for address in ("127.0.0.1", "127.0.0.2")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with transport(server.url, admit=lambda address: address != "127.0.0.2") as sender:
            failure = failure_of(sender)

    assert failure.reason == "address"
    assert server.connections == 0


def test_name_is_looked_up_once_so_that_the_admitted_address_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that changes its address between check and connection must not get through."""
    look_ups: list[str] = []
    with ScriptedServer(answer_always) as server:

        def changing(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
            look_ups.append(host)
            address = "127.0.0.1" if len(look_ups) == 1 else "127.0.0.9"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", changing)
        url = f"http://receiver.test:{server.port}"
        with transport(url, admit=lambda address: address == "127.0.0.1") as sender:
            answer = post(sender)

    assert answer.status == 200
    assert look_ups == ["receiver.test"]
    assert f"Host: receiver.test:{server.port}".encode() in server.requests[0]


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (b"Content-Length: 500\r\n", b"a" * 500, 100),
        (b"Transfer-Encoding: chunked\r\n", b"1f4\r\n" + b"a" * 500 + b"\r\n0\r\n\r\n", 100),
        (b"", b"a" * 500, 100),
        (b"Content-Encoding: gzip\r\nContent-Length: 4\r\n", b"\x1f\x8b..", 4),
        (b"Content-Length: 500\r\n", b"broken off", 10),
    ],
)
def test_cut_answer_has_its_status_whatever_its_body_does(
    head: bytes, body: bytes, expected: int
) -> None:
    with (
        ScriptedServer(sends(b"HTTP/1.1 202 Accepted\r\n" + head + b"\r\n" + body)) as server,
        transport(server.url, max_answer_bytes=100, cut_answers=True) as sender,
    ):
        answer = post(sender)

    assert answer.status == 202
    assert len(answer.body) == expected


def test_cut_answer_read_to_its_end_keeps_the_connection() -> None:
    with (
        ScriptedServer(answer_always) as server,
        transport(server.url, cut_answers=True) as sender,
    ):
        assert post(sender).body == b"{}"
        assert post(sender).body == b"{}"

    assert server.connections == 1


def test_cut_answer_that_goes_on_is_not_taken_for_the_next_one() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + b"a" * 300
    with (
        ScriptedServer(sends(long)) as server,
        transport(server.url, max_answer_bytes=100, cut_answers=True) as sender,
    ):
        assert post(sender).status == 200
        assert post(sender).status == 200

    assert server.connections == 2
