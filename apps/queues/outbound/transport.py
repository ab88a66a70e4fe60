"""One request to one origin, with a total deadline and a verdict when it fails."""

from __future__ import annotations

import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import (
    HTTPException,
    HTTPResponse,
    IncompleteRead,
    RemoteDisconnected,
)
from typing import TYPE_CHECKING

from apps.queues.outbound.dialling import Origin, tls_context
from apps.queues.outbound.errors import Ambiguous, NotSent
from apps.queues.outbound.pool import Pool
from apps.queues.outbound.wire import AnswerTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apps.queues.outbound.dialling import Admission
    from apps.queues.outbound.pool import Connection
    from apps.queues.outbound.wire import Wire

_HEAD_BYTES = 64 * 1024
"""Room for the answer's headers, on top of its body."""
_FIRST_FINAL_STATUS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: float


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class Transport:
    """Requests to `base_url` (http or https) over kept connections; safe for threads and forks.

    On the standard library's HTTP client, because three things must be exact: no wait outlasts
    the total deadline, no request is ever repeated or redirected behind the caller's back, and a
    failure says whether a byte of the request left. It knows no proxies, cookies or environment
    variables. Of the deadline, only the look-up of a name is exempt.

    `connect_timeout_s` covers all addresses and the TLS handshake, `read_timeout_s` the longest
    silence, `total_timeout_s` everything. `ca_file` replaces the usual certificate authorities.

    For hosts that strangers chose: `admit` says which addresses may be connected to (see `dial`),
    and with `cut_answers` the status alone counts: a longer body is cut at `max_answer_bytes`, one
    that breaks off or is compressed is given as far as it came.
    """

    def __init__(  # noqa: PLR0913 - facts of construction, each with a plain meaning
        self,
        base_url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        total_timeout_s: float,
        max_answer_bytes: int = 4 * 1024 * 1024,
        idle_limit_s: float = 30.0,
        ca_file: str | None = None,
        admit: Admission | None = None,
        cut_answers: bool = False,
    ) -> None:
        self._origin = Origin.parse(base_url)
        self._connect_timeout_s = _positive("connect_timeout_s", connect_timeout_s)
        self._total_timeout_s = _positive("total_timeout_s", total_timeout_s)
        self._max_answer_bytes = max_answer_bytes
        self._cut_answers = cut_answers
        self._pool = Pool(
            self._origin,
            context=tls_context(ca_file) if self._origin.scheme == "https" else None,
            stall_s=_positive("read_timeout_s", read_timeout_s),
            idle_limit_s=idle_limit_s,
            admit=admit,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        leave_by: float | None = None,
    ) -> Answer:
        """Send once and return the answer; raises `NotSent` or `Ambiguous`.

        `path` starts with a slash and is percent-encoded already. `leave_by` (monotonic) is the
        last instant at which the first byte may leave; where opening a connection took too long
        for it, the connection is kept for the next try.
        """
        _check_path(path)
        started_at = time.monotonic()
        try:
            connection = self._take(started_at, leave_by)
            request = _Request(method, path, headers, body)
            return self._exchange(connection, request, started_at)
        except (NotSent, Ambiguous) as failure:
            failure.latency_ms = _ms_since(started_at)
            raise

    @contextmanager
    def download(self, path: str, *, headers: Mapping[str, str]) -> Iterator[Download]:
        """Get something too long for our memory: its head first, then piece by piece.

        Deadlines, sizes and verdicts are those of `request`, `max_answer_bytes` being the most of
        all pieces together. The connection is not used again.
        """
        _check_path(path)
        started_at = time.monotonic()
        connection = self._take(started_at, None)
        try:
            try:
                self._send(connection, _Request("GET", path, headers, None))
                response = self._head(connection)
            except _FAILURES as error:
                raise _verdict(error, connection.wire) from error
            yield Download(response, connection.wire)
        finally:
            connection.close()

    def connect_ahead(self) -> None:
        """Open a connection now, if none is kept, so that the next request leaves at once.

        For callers who wait for their instant anyway. Raises `NotSent`.
        """
        started_at = time.monotonic()
        try:
            self._pool.put(self._take(started_at, None))
        except NotSent as failure:
            failure.latency_ms = _ms_since(started_at)
            raise

    def close(self) -> None:
        """Close the kept connections; the transport stays usable."""
        self._pool.close()

    def _take(self, started_at: float, leave_by: float | None) -> Connection:
        budget = min(self._connect_timeout_s, self._total_timeout_s)
        connection = self._pool.take(deadline=started_at + budget)
        connection.wire.begin(
            deadline=started_at + self._total_timeout_s,
            max_bytes=self._max_answer_bytes + _HEAD_BYTES,
        )
        if leave_by is not None and time.monotonic() > leave_by:
            self._pool.put(connection)
            raise NotSent("late")
        return connection

    def _exchange(self, connection: Connection, request: _Request, started_at: float) -> Answer:
        kept = False
        try:
            self._send(connection, request)
            response, content = self._receive(connection)
            kept = response.isclosed() and not response.will_close
            return Answer(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=content,
                latency_ms=_ms_since(started_at),
            )
        except _FAILURES as error:
            raise _verdict(error, connection.wire) from error
        finally:
            if kept:
                self._pool.put(connection)
            else:
                connection.close()

    def _send(self, connection: Connection, request: _Request) -> None:
        path = self._origin.path + request.path
        headers = {"Host": self._origin.authority, **request.headers}
        try:
            connection.request(request.method, path, request.body, headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server may answer and close before it read all (413, 429): its answer counts.
            if not connection.wire.has_sent:
                raise

    def _receive(self, connection: Connection) -> tuple[HTTPResponse, bytes]:
        try:
            response = self._head(connection)
            return response, self._read(response)
        except ValueError as error:  # sizes that are no numbers
            raise HTTPException("no valid HTTP") from error

    def _head(self, connection: Connection) -> HTTPResponse:
        """Everything before the body, and a body that may be read."""
        try:
            response = connection.getresponse()
        except ValueError as error:
            raise HTTPException("no valid HTTP") from error
        if connection.wire.has_ended:  # the library takes this for the end of the headers
            raise IncompleteRead(b"")
        if response.status < _FIRST_FINAL_STATUS:
            raise HTTPException("an interim answer in place of a final one")
        if self._cut_answers:
            return response
        if response.getheader("content-encoding", "identity").lower() != "identity":
            raise _Encoded
        if (response.length or 0) > self._max_answer_bytes:
            raise AnswerTooLarge
        return response

    def _read(self, response: HTTPResponse) -> bytes:
        if self._cut_answers:
            return self._read_cut(response)
        content = response.read(self._max_answer_bytes + 1)
        if len(content) > self._max_answer_bytes:
            raise AnswerTooLarge
        if response.length:
            raise IncompleteRead(content, response.length)
        return content

    def _read_cut(self, response: HTTPResponse) -> bytes:
        content = b""
        try:
            while len(content) < self._max_answer_bytes:
                part = response.read1(self._max_answer_bytes - len(content))
                if not part:
                    break
                content += part
        except _FAILURES:
            response.will_close = True  # whatever still comes belongs to no other exchange
        if response.length == 0:  # read to its end, which the library does not notice by itself
            response.close()
        return content


class Download:
    """An answer whose body is still to come; used within `Transport.download`."""

    def __init__(self, response: HTTPResponse, wire: Wire) -> None:
        self._response = response
        self._wire = wire
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body in pieces of at most `size` bytes; raises as `request` does if it breaks off."""
        try:
            while piece := self._response.read1(size):
                yield piece
            if self._response.length:
                raise IncompleteRead(b"", self._response.length)
        except ValueError as error:  # sizes of chunks that are no numbers
            raise Ambiguous("garbled") from error
        except _FAILURES as error:
            raise _verdict(error, self._wire) from error


class _Encoded(HTTPException):
    """We ask for no compression, so that an answer cannot grow in our memory."""


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    # The first match counts: subclasses stand before their bases.
    (TimeoutError, "timeout"),
    (RemoteDisconnected, "disconnected"),
    (IncompleteRead, "truncated"),
    (AnswerTooLarge, "too_large"),
    (_Encoded, "encoded"),
    (ssl.SSLError, "reset"),
    (OSError, "reset"),
    (HTTPException, "garbled"),
)
_FAILURES = tuple(kind for kind, _ in _REASONS)


def _verdict(error: Exception, wire: Wire) -> NotSent | Ambiguous:
    kind = Ambiguous if wire.has_sent else NotSent
    return kind(_reason(error, wire))


def _reason(error: Exception, wire: Wire) -> str:
    if isinstance(error, TimeoutError) and wire.is_over:
        return "deadline"
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


def _check_path(path: str) -> None:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("path must start with / and be percent-encoded")


def _positive(name: str, seconds: float) -> float:
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{name} is {seconds}; give a positive number of seconds")
    return seconds


def _ms_since(started_at: float) -> float:
    return (time.monotonic() - started_at) * 1000
