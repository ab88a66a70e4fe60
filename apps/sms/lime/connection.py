"""One kept connection: a request out, an answer in, on an event loop.

On httptools and bare protocols, because of what a request costs at 1,000 in flight: some 25 µs
here, 150 with the usual asynchronous client (measured; see ADR 25).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from apps.sms.lime.exchanges import Fate, Reply

if TYPE_CHECKING:
    from apps.sms.lime.exchanges import Exchange

HEAD_BYTES = 64 * 1024
"""Room for the answer's headers, on top of its body."""
_FIRST_FINAL_STATUS = 200


class Keeper(Protocol):
    """Who is told when a connection is free again, or gone."""

    max_answer_bytes: int

    def freed(self, connection: Connection) -> None: ...
    def gone(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; used in the loop's thread only."""

    __slots__ = (
        "_body", "_encoded", "_has_length", "_heads_done", "_keeper", "_parser", "_received",
        "_retry_after", "_transport", "exchange", "heard_at",
    )  # fmt: skip

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self.exchange: Exchange | None = None
        self.heard_at = time.monotonic()
        self._begin_answer()

    def _begin_answer(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._received = 0
        self._heads_done = self._has_length = self._encoded = False
        self._retry_after = ""

    # --- What the caller does -----------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Writes the request; from here on its fate is in doubt until an answer is complete."""
        self.exchange = exchange
        self.heard_at = time.monotonic()
        if self._transport is not None:  # a connection is handed out once it is made
            self._transport.write(exchange.request)

    def give_up(self, reason: str) -> None:
        """Ends the exchange without an answer, and the connection with it."""
        self._end(Reply(Fate.DOUBTFUL, reason))
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # --- What the loop tells ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:  # nobody asked: whatever it is, it belongs to no exchange
            self.close()
            return
        self.heard_at = time.monotonic()
        self._received += len(data)
        if self._received > self._keeper.max_answer_bytes + HEAD_BYTES:
            self.give_up("too_large")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.give_up("garbled")
        except httptools.HttpParserError:
            self.give_up("garbled")  # after a whole answer there is nothing left to give up

    def eof_received(self) -> bool:
        """Some servers end an answer by ending the connection; no other end is a whole answer."""
        if self.exchange is not None and self._heads_done and not self._has_length:
            self._complete(keep=False)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self.exchange is not None:
            reason = "reset" if error else "truncated" if self._received else "disconnected"
            self._end(Reply(Fate.DOUBTFUL, reason))
        self._keeper.gone(self)

    # --- What the parser tells ----------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._has_length = True
            case b"content-encoding":
                self._encoded = value.strip().lower() not in {b"", b"identity"}
            case b"retry-after":
                self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._heads_done = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._complete(keep=bool(self._parser.should_keep_alive()))

    def _complete(self, *, keep: bool) -> None:
        if self.exchange is None:
            return
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            self.give_up("garbled")
            return
        if self._encoded:
            self.give_up("encoded")
            return
        reply = Reply(
            Fate.ANSWERED, "", status, b"".join(self._body), self._retry_after, self._latency_ms()
        )
        self._begin_answer()
        self._end(reply)
        if keep and self.is_open:
            self._keeper.freed(self)
        else:
            self.close()

    def _end(self, reply: Reply) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.done(exchange, reply)

    def _latency_ms(self) -> float:
        started_at = self.exchange.started_at if self.exchange else self.heard_at
        return (time.monotonic() - started_at) * 1000
