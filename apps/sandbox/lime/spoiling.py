"""How a fault turns an answer into what the client gets to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from apps.sandbox.draws import fraction
from apps.sandbox.faults import Fault, FaultKind
from apps.sandbox.lime.errors import (
    GENERAL,
    JSON,
    MESSAGES,
    Answer,
    TooManyRequestsError,
    too_many,
)
from apps.sandbox.lime.settings import Latency, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"
_ERROR = MESSAGES[GENERAL].encode()
_STRANGER = {"Mobile": "19005550199", "ErrorId": "110", "ErrorMessgae": MESSAGES[110]}
# Shares of all requests and the span their latency is drawn from, in seconds.
_JITTER = ((0.90, 0.150, 0.200), (0.99, 0.200, 0.500), (1.0, 1.5, 1.5))

_SPOILT = {
    FaultKind.RATE_LIMITED: too_many(TooManyRequestsError(1)),
    FaultKind.ERROR_BEFORE: Answer(500, _ERROR),
    FaultKind.ERROR_AFTER: Answer(500, _ERROR),
    FaultKind.UNAVAILABLE: Answer(503, b"Service unavailable"),
    FaultKind.HTML_502: Answer(502, _BAD_GATEWAY, "text/html"),
    FaultKind.HTML_502_AFTER: Answer(502, _BAD_GATEWAY, "text/html"),
    FaultKind.GARBAGE: Answer(200, b'{"Status":'),
}
UNANSWERED = frozenset(
    {
        FaultKind.RESET_BEFORE,
        FaultKind.RESET_AFTER,
        FaultKind.TIMEOUT_BEFORE,
        FaultKind.TIMEOUT_AFTER,
    }
)
"""Faults under which the client gets no status at all."""


def spoilt(own: Callable[[], Answer], fault: Fault | None) -> Answer:
    """What the client gets to see; `own` does the provider's work and says what it would answer.

    It is not called under a fault that comes before the work.
    """
    if fault is None:
        return own()
    answer = own() if fault.accepts else Answer(500, _ERROR)
    if fault.kind is FaultKind.WRONG_COUNT:
        return _with_a_stranger(answer)
    return _SPOILT.get(fault.kind, answer)


def _with_a_stranger(answer: Answer) -> Answer:
    """The answer with an error for a number nobody asked for; without a list, one with nothing."""
    if b"MobilesErrors" not in answer.body:
        return Answer(200, b"{}", JSON)
    document = orjson.loads(answer.body)
    document["MobilesErrors"].append(_STRANGER)
    return Answer(200, orjson.dumps(document), JSON)


def latency_seconds(settings: Settings, number: int) -> float:
    """From request to answer, for the n-th request: the same in every run with the same seed."""
    if settings.latency is Latency.FIXED:
        return settings.latency_ms / 1000
    drawn = fraction(settings.seed, "latency", number)
    for share, least, most in _JITTER:
        if drawn < share:
            return least + (most - least) * fraction(settings.seed, "jitter", number)
    return _JITTER[-1][2]
