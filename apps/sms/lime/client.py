"""The client of one account at Lime: encodes calls, and says what became of them.

Calls are made by a `Pool` in the process's event loop; everything here is quick and pure, and may
run in any thread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.queues import metrics
from apps.sms.lime import payloads
from apps.sms.lime.exchanges import Exchange, Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from apps.queues.outbound.dialling import Origin
    from apps.sms.lime.exchanges import Reply
    from apps.sms.lime.payloads import Credentials, Send
    from apps.sms.lime.verdicts import Verdict

PROVIDER = "lime"
_TIMED_OUT = {"connect_timeout": "connect", "timeout": "read", "deadline": "total"}


@dataclass(frozen=True, slots=True)
class LimeClient:
    """What one account's calls look like at `origin`. Holds no connection."""

    origin: Origin
    credentials: Credentials

    def text(
        self, shortcode: str, send: Send, *, done: Callable[[Exchange, Reply], None]
    ) -> Exchange:
        """One text in a request of its own. `send` must be `payloads.checked`."""
        body = payloads.one_way_body(self.credentials, shortcode, send)
        return self._post(payloads.ONE_WAY_PATH, body, done)

    def bulk(
        self, shortcode: str, sends: Sequence[Send], *, done: Callable[[Exchange, Reply], None]
    ) -> Exchange:
        """Up to 1,000 texts in one request; ValueError for more."""
        body = payloads.bulk_body(self.credentials, shortcode, sends)
        return self._post(payloads.BULK_PATH, body, done)

    def opt_in_status(self, mobile: str, *, done: Callable[[Exchange, Reply], None]) -> Exchange:
        """Asks which lists a number has opted in to; its answer is for `judge_status`."""
        path = payloads.status_path(self.credentials, mobile)
        return Exchange(request=self._head("GET", path) + b"\r\n", done=done)

    def _post(self, path: str, body: bytes, done: Callable[[Exchange, Reply], None]) -> Exchange:
        head = self._head("POST", path)
        length = b"Content-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body)
        return Exchange(request=head + length + body, done=done)

    def _head(self, method: str, path: str) -> bytes:
        return (
            f"{method} {self.origin.path}{path} HTTP/1.1\r\nHost: {self.origin.authority}\r\n"
            "User-Agent: flux-station\r\nAccept: application/json, text/xml\r\n"
        ).encode("ascii")


class CallNotes:
    """What calls came to, for metrics: counted here, written for many at once.

    A counter that all processes share costs more than a call. Of the latencies of each round the
    last one is observed.
    """

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()
        self._timeouts: Counter[tuple[str, str]] = Counter()
        self._latencies: dict[str, float] = {}

    def note(self, operation: str, reply: Reply, verdict: Verdict) -> None:
        self._calls[operation, verdict.kind] += 1
        if reply.fate is Fate.ANSWERED:
            self._latencies[operation] = reply.latency_ms
        elif reply.reason in _TIMED_OUT:
            self._timeouts[operation, _TIMED_OUT[reply.reason]] += 1

    def write(self) -> None:
        for (operation, kind), number in self._calls.items():
            metrics.PROVIDER_CALLS.labels(PROVIDER, operation, kind).inc(number)
        for (operation, kind), number in self._timeouts.items():
            metrics.PROVIDER_TIMEOUTS.labels(PROVIDER, operation, kind).inc(number)
        for operation, latency_ms in self._latencies.items():
            metrics.PROVIDER_CALL_SECONDS.labels(PROVIDER, operation).observe(latency_ms / 1000)
        self._calls.clear()
        self._timeouts.clear()
        self._latencies.clear()
