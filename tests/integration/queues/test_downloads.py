"""Answers too long for our memory, read piece by piece."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from apps.queues.outbound import Ambiguous, NotSent, OutboundError, Transport
from tests.integration.queues.scripted_server import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"


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


def sends(content: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(content)

    return script


def download(sender: Transport) -> bytes:
    with sender.download("/list?x=1", headers={"Accept": "text/xml"}) as found:
        return b"".join(found.pieces(7))


def reason_of(script: Callable[[Peer], None], **changes: Any) -> OutboundError:
    with ScriptedServer(script) as server, transport(server.url, **changes) as sender:
        with pytest.raises(OutboundError) as caught:
            download(sender)
        return caught.value


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"Content-Length: 20\r\n\r\n" + b"0123456789" * 2,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
def test_body_comes_in_pieces(content: bytes) -> None:
    with ScriptedServer(sends(content)) as server, transport(server.url) as sender:
        body = download(sender)

    assert body == b"0123456789" * 2
    assert server.requests[0].startswith(b"GET /list?x=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (HEAD + b"Content-Length: 30\r\n\r\n0123456789", "truncated"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n", "truncated"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n0123456789\r\n", "truncated"),
        (HEAD + b"Content-Length: 10737418240\r\n\r\n0123456789", "too_large"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n0", "encoded"),
        (b"no HTTP at all\r\n\r\n", "garbled"),
    ],
)
def test_broken_body_is_told_by_its_reason(content: bytes, reason: str) -> None:
    failure = reason_of(sends(content))

    assert isinstance(failure, Ambiguous)
    assert failure.reason == reason


def test_endless_body_is_cut_off_at_the_most_bytes() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + b"\r\n")
        peer.send(b"x" * 400_000)

    assert reason_of(script).reason == "too_large"


def test_body_that_drips_ends_at_the_total_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(20):
            peer.send(b"x")
            time.sleep(0.1)

    started_at = time.monotonic()
    failure = reason_of(script, total_timeout_s=0.5)

    assert failure.reason == "deadline"
    assert time.monotonic() - started_at < 2.5


def test_server_that_is_not_there_was_sent_nothing() -> None:
    with transport("http://127.0.0.1:1") as sender, pytest.raises(NotSent):
        download(sender)


def test_error_of_the_reader_is_not_taken_for_one_of_the_network() -> None:
    content = HEAD + b"Content-Length: 4\r\n\r\nbody"

    def stumble(sender: Transport) -> None:
        with sender.download("/", headers={}) as found:
            next(found.pieces(2))
            raise FileNotFoundError

    with ScriptedServer(sends(content)) as server, transport(server.url) as sender:  # noqa: SIM117
        with pytest.raises(FileNotFoundError):
            stumble(sender)
