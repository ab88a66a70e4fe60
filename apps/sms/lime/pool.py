"""Kept connections to one origin, and the deadlines of what travels on them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING

from apps.queues.outbound.dialling import Origin, tls_context
from apps.queues.outbound.errors import NotSent
from apps.sms.lime.connection import Connection
from apps.sms.lime.exchanges import Fate, Reply

if TYPE_CHECKING:
    from apps.queues.outbound.dialling import Admission
    from apps.sms.lime.exchanges import Exchange

MOST_OPENING = 64
"""Connections that are being opened at once: more would overflow a server's backlog."""
SWEEP_S = 0.05
IDLE_LIMIT_S = 15.0
"""A connection that rested longer may have been dropped on the way without a word."""
MAX_ANSWER_BYTES = 1024 * 1024
"""Errors of 1,000 numbers take a tenth of it."""


class Pool:
    """Requests over kept connections, each with a deadline; lives in one event loop's thread.

    No request is ever repeated, redirected or put behind another on one connection. Spans are in
    seconds: `connect_s` covers the name, all addresses and the TLS handshake, `read_s` the longest
    silence, `total_s` everything from the instant at which a request was to leave. `admit` says
    which addresses may be connected to: one that it refuses refuses the host.
    """

    def __init__(  # noqa: PLR0913 - facts of construction, each with a plain meaning
        self,
        base_url: str,
        *,
        connect_s: float,
        read_s: float,
        total_s: float,
        ca_file: str | None = None,
        admit: Admission | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.origin = Origin.parse(base_url)
        self.max_answer_bytes = max_answer_bytes
        self._connect_s, self._read_s, self._total_s = connect_s, read_s, total_s
        self._context = tls_context(ca_file) if self.origin.scheme == "https" else None
        self._admit = admit
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: deque[Exchange] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    def start(self, exchange: Exchange) -> None:
        """Lets the exchange begin at its instant."""
        wait = exchange.fires_at - time.monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._begin, exchange)
        else:
            self._begin(exchange)

    def start_all(self, exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            self.start(exchange)

    def close(self) -> None:
        """Ends every connection; exchanges under way end in doubt."""
        for task in self._opening:
            task.cancel()
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()

    @property
    def open_connections(self) -> int:
        return len(self._idle) + len(self._busy)

    # --- Told by connections ------------------------------------------------------------------

    def freed(self, connection: Connection) -> None:
        self._busy.discard(connection)
        connection.heard_at = time.monotonic()
        self._hand_out(connection)

    def gone(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._open_more()

    # --- Exchanges ----------------------------------------------------------------------------

    def _begin(self, exchange: Exchange) -> None:
        exchange.started_at = time.monotonic()
        exchange.deadline = exchange.started_at + self._total_s
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._look_at_deadlines)
        while self._idle:
            connection = self._idle.pop()  # the one used last: it is the least likely to be gone
            if connection.is_open:
                self._send(connection, exchange)
                return
        self._waiting.append(exchange)
        self._open_more()

    def _send(self, connection: Connection, exchange: Exchange) -> None:
        if time.monotonic() > exchange.leave_by:
            self._idle.append(connection)
            _refuse(exchange, "late")
            return
        self._busy.add(connection)
        connection.send(exchange)

    def _hand_out(self, connection: Connection) -> None:
        """To whoever waits longest; those that are too late by now are told so."""
        while self._waiting:
            exchange = self._waiting.popleft()
            if time.monotonic() <= exchange.leave_by:
                self._busy.add(connection)
                connection.send(exchange)
                return
            _refuse(exchange, "late")
        self._idle.append(connection)

    # --- Opening ------------------------------------------------------------------------------

    def _open_more(self) -> None:
        while len(self._opening) < min(len(self._waiting), MOST_OPENING):
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            self._open_more()

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._connect_s):
                connection = await self._dial()
        except (OSError, UnicodeError, NotSent) as failure:
            if self._waiting:
                _refuse(self._waiting.popleft(), _token(failure))
        else:
            self._hand_out(connection)

    async def _dial(self) -> Connection:
        loop, origin = asyncio.get_running_loop(), self.origin
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        addresses = [str(address[0]) for *_, address in found]
        if self._admit is not None and not all(map(self._admit, addresses)):
            raise NotSent("address")
        problem: OSError = OSError("no address")
        for position, address in enumerate(addresses):
            # Each with its share of the time: a dead first one must not use up all of it.
            share = self._connect_s / (len(addresses) - position)
            try:
                async with asyncio.timeout(share):
                    _, connection = await loop.create_connection(
                        lambda: Connection(self),
                        address,
                        origin.port,
                        ssl=self._context,
                        server_hostname=origin.host if self._context else None,
                    )
            except OSError as failure:
                problem = failure
            else:
                return connection
        raise problem

    # --- Deadlines ----------------------------------------------------------------------------

    def _look_at_deadlines(self) -> None:
        """One look at everything every 50 ms costs less than a timer for each."""
        now = time.monotonic()
        for connection in list(self._busy):
            exchange = connection.exchange
            if exchange is None:
                continue
            if now > exchange.deadline:
                connection.give_up("deadline")
            elif now - connection.heard_at > self._read_s:
                connection.give_up("timeout")
        while self._waiting and now > min(self._waiting[0].deadline, self._waiting[0].leave_by):
            _refuse(self._waiting.popleft(), "deadline")
        for connection in [one for one in self._idle if now - one.heard_at > IDLE_LIMIT_S]:
            self._idle.remove(connection)
            connection.close()
        loop = asyncio.get_running_loop()
        is_needed = self._busy or self._waiting or self._idle
        self._sweep = loop.call_later(SWEEP_S, self._look_at_deadlines) if is_needed else None


def _refuse(exchange: Exchange, reason: str) -> None:
    exchange.done(exchange, Reply(Fate.NOT_SENT, reason))


_TOKENS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "connect_timeout"),
    (socket.gaierror, "dns"),
    (UnicodeError, "dns"),
    (ssl.SSLError, "tls"),
    (ConnectionRefusedError, "refused"),
    (ConnectionResetError, "reset"),
)


def _token(failure: Exception) -> str:
    if isinstance(failure, NotSent):
        return failure.reason
    found = (token for kind, token in _TOKENS if isinstance(failure, kind))
    return next(found, "unreachable")
