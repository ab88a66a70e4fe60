"""How a fault turns an answer into what the client gets to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from apps.sandbox.faults import Fault, FaultKind
from apps.sandbox.resend.errors import (
    Answer,
    application_error,
    rate_limit_exceeded,
    service_unavailable,
)
from apps.sandbox.windows import LIFTED_LIMIT

if TYPE_CHECKING:
    from apps.sandbox.resend.settings import Settings

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"
_GARBAGE = b'{"data": [{"id": "49a3999c-0ce1-'
_ERRORS = {
    FaultKind.ERROR_BEFORE: application_error,
    FaultKind.ERROR_AFTER: application_error,
    FaultKind.UNAVAILABLE: service_unavailable,
}


def is_answered_by_provider(fault: Fault) -> bool:
    """Whether the provider itself says the error, rather than something between it and us."""
    return fault.kind in _ERRORS or fault.kind is FaultKind.RATE_LIMITED


def spoilt(answer: Answer, fault: Fault, settings: Settings) -> Answer:
    """The answer as the fault leaves it. `answer` is what the provider itself would say."""
    match fault.kind:
        case FaultKind.RATE_LIMITED:
            return rate_limit_exceeded(settings.rate_limit or LIFTED_LIMIT, 1).answer
        case kind if kind in _ERRORS:
            return _ERRORS[kind]().answer
        case FaultKind.HTML_502 | FaultKind.HTML_502_AFTER:
            return Answer(502, _BAD_GATEWAY, content_type="text/html")
        case FaultKind.GARBAGE:
            return Answer(200, _GARBAGE)
        case FaultKind.WRONG_COUNT if answer.status == 200:  # noqa: PLR2004 - a success
            return Answer(200, _one_too_few(answer.body))
        case _:
            return answer


def _one_too_few(body: bytes) -> bytes:
    document = orjson.loads(body)
    if "data" in document:
        document["data"] = document["data"][:-1]
    else:
        document.pop("id", None)
    return orjson.dumps(document)
