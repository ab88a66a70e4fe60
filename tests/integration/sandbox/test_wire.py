"""The HTTP/1.1 core: framing, kept connections, and what it refuses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.integration.sandbox.talking import connect, head, mail, read_reply

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox

BODY = orjson.dumps(mail())


def test_connection_is_kept_for_many_requests(sandbox: ResendSandbox) -> None:
    with connect(sandbox) as connection:
        for _ in range(5):
            connection.sendall(head("POST", "/emails", f"Content-Length: {len(BODY)}") + BODY)
            assert read_reply(connection).status == 200

    assert sandbox.stats().accepted == 5


def test_connection_is_closed_when_asked(sandbox: ResendSandbox) -> None:
    with connect(sandbox) as connection:
        connection.sendall(head("GET", "/domains", "Connection: close"))
        reply = read_reply(connection)
        rest = connection.recv(1)

    assert reply.headers["connection"] == "close"
    assert rest == b""


def test_chunked_body_is_taken(sandbox: ResendSandbox) -> None:
    parts = [BODY[:10], BODY[10:11], BODY[11:]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", "Transfer-Encoding: chunked") + chunks)

        assert read_reply(connection).status == 200


def test_request_that_comes_byte_by_byte_is_taken(sandbox: ResendSandbox) -> None:
    whole = head("POST", "/emails", f"Content-Length: {len(BODY)}") + BODY

    with connect(sandbox) as connection:
        for position in range(len(whole)):
            connection.sendall(whole[position : position + 1])

        assert read_reply(connection).status == 200


def test_large_body_is_taken_whole(sandbox: ResendSandbox) -> None:
    body = orjson.dumps([mail(html="x" * 200_000)] * 100)

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails/batch", f"Content-Length: {len(body)}") + body)

        assert len(read_reply(connection).json["data"]) == 100


def test_body_over_48_megabytes_is_refused(sandbox: ResendSandbox) -> None:
    size = 49 * 1024 * 1024

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", f"Content-Length: {size}"))
        try:
            for _ in range(49):
                connection.sendall(b"x" * 1024 * 1024)
            reply = read_reply(connection)
        except ConnectionError:
            return  # refused before it was sent: the answer can be lost with the reset

    assert reply.status == 413


def test_client_that_asks_first_is_told_to_go_on(sandbox: ResendSandbox) -> None:
    lines = (f"Content-Length: {len(BODY)}", "Expect: 100-continue")

    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", *lines))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)

        assert read_reply(connection).status == 200


def test_requests_sent_ahead_are_answered_in_order(sandbox: ResendSandbox) -> None:
    sandbox.next_fault("delay", seconds=0.2)
    request = head("POST", "/emails", f"Content-Length: {len(BODY)}") + BODY

    with connect(sandbox) as connection:
        connection.sendall(request + head("GET", "/domains"))
        first, second = read_reply(connection), read_reply(connection)

    assert set(first.json) == {"id"}
    assert second.json["object"] == "list"


@pytest.mark.parametrize(
    "garbage",
    [b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)
def test_garbage_is_refused_and_the_server_lives(sandbox: ResendSandbox, garbage: bytes) -> None:
    with connect(sandbox) as connection:
        connection.sendall(garbage)
        assert connection.recv(12) == b"HTTP/1.1 400"

    assert sandbox.stats().accepted == 0


def test_client_that_leaves_before_its_answer_does_no_harm(sandbox: ResendSandbox) -> None:
    sandbox.configure(latency_ms=100)
    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", f"Content-Length: {len(BODY)}") + BODY)
        time.sleep(0.05)
    time.sleep(0.15)

    assert sandbox.stats().accepted == 1


def test_half_a_request_is_never_accepted(sandbox: ResendSandbox) -> None:
    with connect(sandbox) as connection:
        connection.sendall(head("POST", "/emails", f"Content-Length: {len(BODY)}") + BODY[:-1])

    time.sleep(0.05)
    assert sandbox.stats().accepted == 0
