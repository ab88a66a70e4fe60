"""The client of one account at Lime: encodes calls, and says what became of them.

Calls are made by a `Pool` in the process's event loop; everything here is quick and pure, and may
run in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.queues import metrics
from apps.sms.lime import payloads
from apps.sms.lime.answers import judge_bulk, judge_one, judge_status
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

    @staticmethod
    def judge_text(reply: Reply) -> Verdict:
        verdict = judge_one(reply)
        _note("text", reply, verdict)
        return verdict

    @staticmethod
    def judge_bulk(reply: Reply, sends: Sequence[Send]) -> list[Verdict]:
        verdicts = judge_bulk(reply, sends)
        _note("bulk", reply, verdicts[0])
        return verdicts

    @staticmethod
    def judge_status(reply: Reply) -> Verdict:
        """Accepted where the number has opted in; what the answer does not say is tried again."""
        verdict = judge_status(reply)
        _note("status", reply, verdict)
        return verdict


def _note(operation: str, reply: Reply, verdict: Verdict) -> None:
    metrics.PROVIDER_CALLS.labels(PROVIDER, operation, verdict.kind).inc()
    if reply.fate is Fate.ANSWERED:
        metrics.PROVIDER_CALL_SECONDS.labels(PROVIDER, operation).observe(reply.latency_ms / 1000)
    elif reply.reason in _TIMED_OUT:
        kind = _TIMED_OUT[reply.reason]
        metrics.PROVIDER_TIMEOUTS.labels(PROVIDER, operation, kind).inc()
