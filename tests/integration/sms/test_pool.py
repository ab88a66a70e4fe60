"""The connections that texts travel on, against a server that does what it should not.

What matters is the fate: NOT_SENT may be sent again, DOUBTFUL never by itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from apps.sms.lime import Pool
from apps.sms.lime.exchanges import Exchange, Fate, Reply
from tests.integration.queues.scripted_server import (
    OK,
    ScriptedServer,
    answer_always,
    make_certificate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.queues.scripted_server import Peer, Script

REQUEST = b"POST /send HTTP/1.1\r\nHost: lime.test\r\nContent-Length: 2\r\n\r\n{}"


class Asking:
    """A pool in a loop of its own, asked from the test's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: Pool) -> None:
        self._loop, self.pool = loop, pool
        self._replies: SimpleQueue[Reply] = SimpleQueue()

    def ask(self, number: int = 1, **fields: Any) -> list[Reply]:
        """So many requests at once; their replies as they come."""
        exchanges = [Exchange(REQUEST, self._done, **fields) for _ in range(number)]
        self._loop.call_soon_threadsafe(self.pool.start_all, exchanges)
        return [self._replies.get(timeout=5) for _ in exchanges]

    def _done(self, _exchange: Exchange, reply: Reply) -> None:
        self._replies.put(reply)


@contextmanager
def asking(url: str, **limits: Any) -> Iterator[Asking]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    spans = {"connect_s": 0.5, "read_s": 0.4, "total_s": 0.8, **limits}
    pool = Pool(url, **spans)
    try:
        yield Asking(loop, pool)
    finally:
        loop.call_soon_threadsafe(pool.close)
        loop.call_soon_threadsafe(loop.call_later, 0.05, loop.stop)
        thread.join(5)
        loop.close()


def told(reply: Reply) -> tuple[Fate, str]:
    return reply.fate, reply.reason


def answer_with(content: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(content)

    return script


def after_request(act: Callable[[Peer], None]) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        act(peer)

    return script


# --- Answers ----------------------------------------------------------------------------------


def test_answers_come_over_one_kept_connection() -> None:
    with ScriptedServer(answer_always) as server, asking(server.url) as lime:
        replies = [lime.ask()[0] for _ in range(3)]

    assert [(one.fate, one.status, one.body) for one in replies] == [
        (Fate.ANSWERED, 200, b"{}")
    ] * 3
    assert server.connections == 1


def test_requests_at_once_have_a_connection_each_and_one_answer() -> None:
    with ScriptedServer(answer_always) as server, asking(server.url, total_s=4) as lime:
        replies = lime.ask(30)

    assert {told(one) for one in replies} == {(Fate.ANSWERED, "")}
    assert len(server.requests) == 30


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<a>",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n<a>",
    ],
    ids=["chunked", "ended by the connection", "HTTP/1.0"],
)
def test_every_form_of_a_whole_answer_is_an_answer(content: bytes) -> None:
    with ScriptedServer(answer_with(content)) as server, asking(server.url) as lime:
        [reply] = lime.ask()

    assert (reply.fate, reply.body) == (Fate.ANSWERED, b"<a>")


# --- Doubt ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<a>"), "truncated"),
        (answer_with(b"HTTP/1.1 200 OK\r\nContent-Le"), "truncated"),
        (answer_with(b""), "disconnected"),
        (after_request(lambda peer: peer.reset()), "reset"),
        (answer_with(b"\x00\x01 what is this\r\n\r\n"), "garbled"),
        (answer_with(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "garbled"),
        (
            answer_with(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            "encoded",
        ),
        (
            answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * 90_000),
            "too_large",
        ),
        (after_request(lambda peer: peer.hang()), "timeout"),
        (after_request(lambda peer: peer.drip(OK, every_s=0.1)), "deadline"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_request_without_a_whole_answer_is_in_doubt(script: Script, reason: str) -> None:
    with ScriptedServer(script) as server, asking(server.url, max_answer_bytes=1000) as lime:
        [reply] = lime.ask()

    assert told(reply) == (Fate.DOUBTFUL, reason)
    assert len(server.requests) == 1  # and it was not repeated


def test_endless_headers_are_given_up() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000
    with ScriptedServer(answer_with(endless)) as server, asking(server.url) as lime:
        [reply] = lime.ask()

    assert reply.fate is Fate.DOUBTFUL


def test_closing_leaves_what_is_under_way_in_doubt() -> None:
    script = after_request(lambda peer: peer.hang())
    with ScriptedServer(script) as server, asking(server.url, read_s=5, total_s=5) as lime:
        threading.Timer(0.2, lambda: lime._loop.call_soon_threadsafe(lime.pool.close)).start()
        [reply] = lime.ask()

    assert reply.fate is Fate.DOUBTFUL


def test_answer_that_nobody_asked_for_belongs_to_no_request() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        time.sleep(0.1)
        peer.send(OK.replace(b"{}", b"no"))
        peer.hang()

    with ScriptedServer(script, answer_always) as server, asking(server.url) as lime:
        first = lime.ask()[0]
        time.sleep(0.3)
        second = lime.ask()[0]

    assert (first.body, second.body) == (b"{}", b"{}")
    assert server.connections == 2


# --- Surely not sent --------------------------------------------------------------------------


def test_port_that_nobody_listens_on() -> None:
    with ScriptedServer(answer_always) as server:
        url = server.url
    with asking(url) as lime:
        [reply] = lime.ask()

    assert told(reply) == (Fate.NOT_SENT, "refused")


def test_name_that_does_not_exist() -> None:
    with asking("http://nowhere.invalid", connect_s=3, total_s=4) as lime:
        [reply] = lime.ask()

    assert reply.fate is Fate.NOT_SENT
    assert reply.reason in {"dns", "connect_timeout"}


def test_address_that_is_not_admitted_is_not_connected_to() -> None:
    with (
        ScriptedServer(answer_always) as server,
        asking(server.url, admit=lambda address: address != "127.0.0.1") as lime,
    ):
        [reply] = lime.ask()

    assert told(reply) == (Fate.NOT_SENT, "address")
    assert server.connections == 0


def test_request_that_missed_its_slot_does_not_leave() -> None:
    with ScriptedServer(answer_always) as server, asking(server.url) as lime:
        lime.ask()
        [kept] = lime.ask(leave_by=time.monotonic() - 1)

    assert told(kept) == (Fate.NOT_SENT, "late")
    assert len(server.requests) == 1


def test_request_leaves_at_its_instant() -> None:
    with ScriptedServer(answer_always) as server, asking(server.url) as lime:
        lime.ask()
        fires_at = time.monotonic() + 0.3
        lime.ask(fires_at=fires_at)

        assert time.monotonic() >= fires_at


# --- TLS --------------------------------------------------------------------------------------


def test_trusted_server_is_talked_to_and_kept(tmp_path: Path) -> None:
    trusted, context = make_certificate(tmp_path)
    with (
        ScriptedServer(answer_always, context=context) as server,
        asking(server.url, ca_file=str(trusted), connect_s=3, total_s=4) as lime,
    ):
        replies = [lime.ask()[0] for _ in range(2)]

    assert {told(one) for one in replies} == {(Fate.ANSWERED, "")}
    assert server.connections == 1


def test_stranger_gets_nothing_to_read(tmp_path: Path) -> None:
    _, context = make_certificate(tmp_path)
    with (
        ScriptedServer(answer_always, context=context) as server,
        asking(server.url, connect_s=3, total_s=4) as lime,
    ):
        [reply] = lime.ask()

    assert told(reply) == (Fate.NOT_SENT, "tls")
    assert server.requests == []


def test_handshake_that_hangs_is_no_doubt() -> None:
    with (
        ScriptedServer(lambda peer: peer.hang()) as server,
        asking(server.url.replace("http:", "https:"), connect_s=0.3) as lime,
    ):
        [reply] = lime.ask()

    assert told(reply) == (Fate.NOT_SENT, "connect_timeout")
