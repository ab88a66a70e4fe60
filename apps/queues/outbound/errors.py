"""What became of a request that got no answer."""

from __future__ import annotations

from apps.queues.errors import QueueError


class OutboundError(QueueError):
    """No usable answer. `reason` is a short token, fit for logs and metrics.

    Never raised itself: whether the request may be repeated is told by the subclass.
    """

    def __init__(self, reason: str, *, latency_ms: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.latency_ms = latency_ms


class NotSent(OutboundError):  # noqa: N818 - a verdict, and read as one where it is caught
    """Not a byte of the request left this host: repeating it is harmless.

    Reasons: dns, address (the host has one that the caller does not admit), refused, unreachable,
    connect_timeout, tls, late (the request could not begin to leave by the caller's instant),
    deadline, timeout and reset (the connection broke or stalled before it took the first byte).
    """


class Ambiguous(OutboundError):  # noqa: N818 - as above
    """Some of the request left, so the other side may have acted on it.

    Repeat it only where the other side recognises the repetition. Reasons: timeout (nothing moved
    for the read timeout), deadline (the total is used up), reset, disconnected (closed without an
    answer), truncated, too_large, garbled (not HTTP), encoded (compressed without being asked).
    """
