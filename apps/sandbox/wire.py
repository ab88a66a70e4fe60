"""A small HTTP/1.1 server core: httptools parses, asyncio carries, an application answers.

An application is called once per complete request with an `Exchange` and decides when and how it
ends: with an answer, or with one of the ways in which real networks fail. There is no coroutine
per request; that keeps the cost of a request far below that of the client it measures.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools

MAX_BODY_BYTES = 48 * 1024 * 1024
_REPEATED_BYTES = 64
"""Answers up to this long are mostly the same few: what they look like is kept."""
_LINGER_RESET = struct.pack("ii", 1, 0)
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@lru_cache(maxsize=256)
def _header_name(name: bytes) -> str:
    return name.decode("latin-1").lower()


@lru_cache(maxsize=256)
def _path_and_query(url: bytes) -> tuple[str, str]:
    path, _, query = url.decode("latin-1").partition("?")
    return path, query


@dataclass
class Request:
    """One complete request; `path` is still percent-encoded."""

    method: str
    path: str
    query: str
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool

    @cached_property
    def headers(self) -> dict[str, str]:
        """By name in lower case; made when asked for, which many requests never are."""
        return {_header_name(name): value.decode("latin-1") for name, value in self.raw_headers}

    @property
    def segments(self) -> list[str]:
        """The parts of the path between slashes, percent-decoded one by one."""
        return [unquote(part) for part in self.path.strip("/").split("/")]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json; charset=utf-8"

    def encode(self, *, keep_alive: bool) -> bytes:
        if len(self.body) <= _REPEATED_BYTES:
            return _encoded_once(self, keep_alive)
        return self.encode_anew(keep_alive=keep_alive)

    def encode_anew(self, *, keep_alive: bool) -> bytes:
        return self.head(f"content-length: {len(self.body)}", keep_alive=keep_alive) + self.body

    def head(self, framing: str, *, keep_alive: bool) -> bytes:
        """Everything before the body; `framing` is the header that says where the body ends."""
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}",
            f"content-type: {self.content_type}",
            framing,
        ]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if not keep_alive:
            lines.append("connection: close")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


@lru_cache(maxsize=256)
def _encoded_once(response: Response, keep_alive: bool) -> bytes:  # noqa: FBT001 - a cache's key
    return response.encode_anew(keep_alive=keep_alive)


class Exchange:
    """One request and its one ending. Every ending is a no-op once the client has gone."""

    __slots__ = ("_connection", "request")

    def __init__(self, connection: Connection, request: Request) -> None:
        self.request = request
        self._connection = connection

    @property
    def peer(self) -> str:
        """The client's IP address."""
        return self._connection.peer

    def answer(self, response: Response) -> None:
        keep_alive = self.request.keep_alive
        self._connection.write(response.encode(keep_alive=keep_alive))
        self._connection.finish(keep_alive=keep_alive)

    def stream(
        self,
        response: Response,
        pieces: Iterator[bytes],
        *,
        claimed_bytes: int | None = None,
        pause_seconds: float = 0.0,
    ) -> None:
        """Answer with a body made piece by piece, no faster than the client reads it.

        Chunked, unless `claimed_bytes` announces a length, true or not; the connection is closed
        behind the last piece. With a pause, each piece waits so long after the one before it.
        """
        chunked = claimed_bytes is None
        framing = "transfer-encoding: chunked" if chunked else f"content-length: {claimed_bytes}"
        self._connection.write(response.head(framing, keep_alive=False))
        self._connection.stream(_framed(pieces) if chunked else pieces, pause_seconds=pause_seconds)

    def cut(self, response: Response) -> None:
        """Announce the whole answer, send all but the second half of its body, then close."""
        encoded = response.encode(keep_alive=False)
        self._connection.write(encoded[: len(encoded) - (len(response.body) + 1) // 2])
        self._connection.finish(keep_alive=False)

    def drip(self, response: Response, *, interval_seconds: float) -> None:
        """Send the answer one byte at a time: each byte restarts a client's read timeout."""
        self._connection.drip(response.encode(keep_alive=False), interval_seconds)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._connection.reset()

    def hang(self, *, seconds: float) -> None:
        """Say nothing, then close."""
        self._connection.later(seconds, lambda: self._connection.finish(keep_alive=False))


Application = Callable[[Exchange], None]


def _framed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces as chunks of HTTP/1.1, with the one that ends them."""
    for piece in pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client connection; requests on it are answered one after the other."""

    def __init__(self, application: Application, connections: set[Connection]) -> None:
        self.peer = ""
        self._application = application
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._resume: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._resume = None
        self._waiting.clear()
        self._connections.discard(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # an error of our own, not the client's: the loop logs it and ends the connection
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400, b"the request is not valid HTTP/1.1")

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        for name, value in self._headers:
            if name.lower() == b"expect" and value.lower() == b"100-continue":
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                break

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            self._refuse(413, b"the body is larger than 48 MB")
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._waiting.append(self._complete())
        if not self._busy:
            self._next()

    def _complete(self) -> Request:
        path, query = _path_and_query(self._url)
        return Request(
            self._parser.get_method().decode("ascii"),
            path,
            query,
            self._headers,
            b"".join(self._chunks),
            self._parser.should_keep_alive(),
        )

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            self._application(Exchange(self, self._waiting.popleft()))

    def _refuse(self, status: int, reason: bytes) -> None:
        response = Response(status, reason, content_type="text/plain; charset=utf-8")
        self.write(response.encode(keep_alive=False))
        self.finish(keep_alive=False)

    # What an exchange asks for.

    def write(self, encoded: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encoded)

    def finish(self, *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        if keep_alive:
            self._next()
        else:
            self._transport.close()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        self._loop.call_later(seconds, action)

    def drip(self, encoded: bytes, interval_seconds: float) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self.write(encoded[:1])
        if len(encoded) > 1:
            self.later(interval_seconds, lambda: self.drip(encoded[1:], interval_seconds))
        else:
            self.finish(keep_alive=False)

    def stream(self, pieces: Iterator[bytes], *, pause_seconds: float) -> None:
        """Write piece after piece; where the client does not keep up, go on once it has."""
        if self._transport is None or self._transport.is_closing():
            return
        piece = next(pieces, None)
        if piece is None:
            self.finish(keep_alive=False)
            return
        self.write(piece)
        follow = partial(self.stream, pieces, pause_seconds=pause_seconds)
        if self._full:
            self._resume = follow
        else:
            self.later(pause_seconds, follow)

    def reset(self) -> None:
        if self._transport is None:
            return
        # Linger 0 makes the kernel send RST instead of FIN: the client sees a reset connection.
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._transport.abort()
