"""Open connections to one origin, kept for the next request."""

from __future__ import annotations

import os
import threading
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from apps.queues.outbound.dialling import dial
from apps.queues.outbound.wire import Wire

if TYPE_CHECKING:
    import ssl

    from apps.queues.outbound.dialling import Admission, Origin

_MOST_IDLE = 16


class Connection(HTTPConnection):
    """`http.client` on a wire that is already open; it never dials by itself."""

    auto_open = 0

    def __init__(self, origin: Origin, wire: Wire) -> None:
        super().__init__(origin.host, origin.port)
        self.wire = wire
        self.sock = wire
        self.idle_since = time.monotonic()


class Pool:
    """Hands out one connection per request, the most recently used first; safe for threads.

    Connections are not shared across a fork: a child that wrote on its parent's connection would
    mix two requests. The child closes its copies (which ends nothing for the parent).
    """

    def __init__(
        self,
        origin: Origin,
        *,
        context: ssl.SSLContext | None,
        stall_s: float,
        idle_limit_s: float,
        admit: Admission | None = None,
    ) -> None:
        self._origin = origin
        self._context = context
        self._stall_s = stall_s
        self._idle_limit_s = idle_limit_s
        self._admit = admit
        self._begin()

    def take(self, *, deadline: float) -> Connection:
        """An idle connection that is still good, or a new one; raises `NotSent`."""
        if os.getpid() != self._pid:
            self._leave_behind()
        while (connection := self._pop()) is not None:
            fresh = time.monotonic() - connection.idle_since <= self._idle_limit_s
            if fresh and connection.wire.is_idle():
                return connection
            connection.close()
        sock = dial(self._origin, deadline=deadline, context=self._context, admit=self._admit)
        return Connection(self._origin, Wire(sock, stall_s=self._stall_s))

    def put(self, connection: Connection) -> None:
        """Keep a connection whose exchange came to its end."""
        connection.idle_since = time.monotonic()
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        while (connection := self._pop()) is not None:
            connection.close()

    def _pop(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    def _leave_behind(self) -> None:
        # Not under the old lock: a thread of the parent may have held it at the fork.
        inherited = list(self._idle)
        self._begin()
        for connection in inherited:
            connection.close()
