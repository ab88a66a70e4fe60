"""Requests to the outside: pooled connections, total deadlines, and a verdict on each failure."""

from apps.queues.outbound.errors import Ambiguous, NotSent, OutboundError
from apps.queues.outbound.transport import Answer, Download, Transport

__all__ = ["Ambiguous", "Answer", "Download", "NotSent", "OutboundError", "Transport"]
