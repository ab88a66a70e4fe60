"""A connected socket on which nothing waits past a deadline."""

from __future__ import annotations

import io
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from typing_extensions import Buffer


class AnswerTooLarge(Exception):  # noqa: N818 - a fact about the peer, told to the transport
    """The other side sent more than the exchange allows."""


class Wire:
    """Wraps a plain or TLS socket for `http.client`, one exchange after the other.

    A socket's own timeout starts anew with each byte, so a peer that drips one a second holds a
    caller for ever. Here every single wait is cut to what is left of the exchange, without a
    watchdog thread. No wait is longer than `stall_s` either.
    """

    def __init__(self, sock: socket.socket, *, stall_s: float) -> None:
        self._sock = sock
        self._stall_s = stall_s
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._deadline = 0.0
        self._receivable = 0
        self.has_sent = False
        """Whether a byte of the present exchange may have left this host."""
        self.has_ended = False
        """Whether the peer has closed its side."""

    @property
    def is_over(self) -> bool:
        """Whether the time of the present exchange is used up."""
        return time.monotonic() >= self._deadline

    def begin(self, *, deadline: float, max_bytes: int) -> None:
        """Start an exchange: it ends at `deadline` (monotonic), its answer within `max_bytes`."""
        self._deadline = deadline
        self._receivable = max_bytes
        self.has_sent = self.has_ended = False

    def sendall(self, data: Buffer) -> None:
        """Send all, counting what leaves: a failing first send means that nothing did.

        For TLS the count starts before the call, as a record may leave in part.
        """
        with memoryview(data) as view, view.cast("B") as rest:
            done = 0
            while done < len(rest):
                self._limit_wait()
                self.has_sent = self.has_sent or self._is_tls
                done += self._sock.send(rest[done:])
                self.has_sent = True

    def makefile(self, mode: str) -> io.BufferedReader:
        """The answer's bytes; keeps the socket open until it is closed, as a socket's own does."""
        if mode != "rb":
            raise ValueError(f"mode is {mode!r}; a wire is read as 'rb'")
        return io.BufferedReader(_WireReader(self, self._sock.makefile("rb", buffering=0)))

    def receive_into(self, raw: io.RawIOBase, buffer: Buffer) -> int | None:
        self._limit_wait()
        count = raw.readinto(buffer)
        self.has_ended = count == 0
        self._receivable -= count or 0
        if self._receivable < 0:
            raise AnswerTooLarge
        return count

    def is_idle(self) -> bool:
        """Whether the connection can carry another request.

        An idle peer has nothing to say: bytes or an end of stream mean that it is closing, or that
        an earlier exchange left something behind. Reading instead of polling takes in what TLS
        sends by itself (session tickets).
        """
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self._sock.close()

    def _limit_wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(min(left, self._stall_s))


class _WireReader(io.RawIOBase):
    def __init__(self, wire: Wire, raw: io.RawIOBase) -> None:
        self._wire = wire
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        return self._wire.receive_into(self._raw, buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
