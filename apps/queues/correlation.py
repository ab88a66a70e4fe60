"""One id from the HTTP request through every task to the provider call."""

from __future__ import annotations

import re
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest, HttpResponse

HEADER = "X-Correlation-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def correlation_id() -> str:
    """The id of the work at hand; a new one is made where there is none yet."""
    return _current.get() or bind_correlation_id(None)


def bind_correlation_id(value: str | None) -> str:
    """Makes `value`, or a new id where it is not usable, the current one, in logs too."""
    chosen = value if value and _ACCEPTABLE.fullmatch(value) else uuid.uuid4().hex
    _current.set(chosen)
    structlog.contextvars.bind_contextvars(correlation_id=chosen)
    return chosen


def clear_correlation_id() -> None:
    _current.set("")
    structlog.contextvars.unbind_contextvars("correlation_id")


@contextmanager
def under_correlation_id(value: str) -> Iterator[str]:
    """Makes `value` the current id for the block: for work whose row remembers whose wish it was.

    An empty or unusable one changes nothing.
    """
    before = _current.get()
    if not _ACCEPTABLE.fullmatch(value):
        yield correlation_id()
        return
    try:
        yield bind_correlation_id(value)
    finally:
        if before:
            bind_correlation_id(before)
        else:
            clear_correlation_id()


class CorrelationMiddleware:
    """Accepts the caller's id, or makes one, and tells it in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = bind_correlation_id(request.headers.get(HEADER))
        try:
            response = self._get_response(request)
        finally:
            clear_correlation_id()
        response[HEADER] = chosen
        return response
