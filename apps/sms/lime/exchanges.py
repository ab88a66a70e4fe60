"""One request on its way, and what came of it: shared by the connections and by who asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Fate(StrEnum):
    """How far a request came."""

    ANSWERED = "answered"
    NOT_SENT = "not_sent"
    """Not a byte of it was given to a connection: repeating it is harmless."""
    DOUBTFUL = "doubtful"
    """It was written to a connection, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` and `body` where it was answered, `reason` (a short token) where it was not.

    Reasons as in `apps.queues.outbound`: dns, address, refused, unreachable, connect_timeout, tls,
    late, deadline; timeout, reset, disconnected, truncated, too_large, garbled, encoded.
    """

    fate: Fate
    reason: str = ""
    status: int = 0
    body: bytes = b""
    retry_after: str = ""
    latency_ms: float = 0.0


@dataclass(slots=True)
class Exchange:
    """A request, encoded to its last byte, and who is told of its end. Instants are monotonic.

    `done` runs in the loop's thread and must be quick; it is called exactly once. `token` is the
    caller's. The request leaves at `fires_at`, or not at all after `leave_by`.
    """

    request: bytes
    done: Callable[[Exchange, Reply], None]
    token: Any = None
    fires_at: float = 0.0
    leave_by: float = float("inf")
    started_at: float = 0.0
    deadline: float = float("inf")
