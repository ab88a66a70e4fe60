"""A small TCP proxy whose connections can vanish: no FIN, no RST, just nobody there any more."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_TCP_REPAIR = 19  # linux/tcp.h; a socket that is closed in this mode tells its peer nothing
_CHUNK = 64 * 1024


class Proxy:
    """Listens on a free loopback port and forwards to `target`; a context manager.

    `vanish` drops all connections of the moment; new ones go through. Where the system does not
    allow that (it wants a privilege), they stay open and nothing passes any more.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._kept: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        with self._lock:
            for one in [*(side for pair in self._pairs for side in pair), *self._kept]:
                one.close()

    def vanish(self) -> int:
        """Drops every connection without a word; returns how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for near, far in pairs:
            with contextlib.suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)
            self._forget(near)
        return len(pairs)

    def _forget(self, near: socket.socket) -> None:
        try:
            near.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        except OSError:
            self._kept.append(near)  # not closed: its peer goes on believing in it
        else:
            near.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target, timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                pair = (near, far)
                with self._lock:
                    self._pairs.append(pair)
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                readable, _, _ = select.select([near, far], [], [], 1.0)
                for side in readable:
                    if not self._pass_on(side, far if side is near else near, near):
                        return

    def _pass_on(self, side: socket.socket, other: socket.socket, near: socket.socket) -> bool:
        """One piece; False at the end of the stream, which is passed on unless it has vanished."""
        content = side.recv(_CHUNK)
        if content:
            other.sendall(content)
            return True
        with self._lock:
            present = [pair for pair in self._pairs if pair[0] is near]
            self._pairs = [pair for pair in self._pairs if pair[0] is not near]
        if present:
            for one in present[0]:
                one.close()
        return False
