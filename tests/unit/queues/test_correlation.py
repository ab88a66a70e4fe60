from __future__ import annotations

import pytest
import structlog
from django.http import HttpRequest, HttpResponse

from apps.queues.correlation import (
    CorrelationMiddleware,
    bind_correlation_id,
    clear_correlation_id,
    correlation_id,
    under_correlation_id,
)


def answer(header: str | None) -> tuple[HttpResponse, list[str]]:
    seen: list[str] = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(correlation_id())
        return HttpResponse()

    request = HttpRequest()
    if header is not None:
        request.META["HTTP_X_CORRELATION_ID"] = header
    return CorrelationMiddleware(view)(request), seen


def test_callers_id_is_used_and_returned() -> None:
    response, seen = answer("order-4711-abc")

    assert seen == ["order-4711-abc"]
    assert response["X-Correlation-ID"] == "order-4711-abc"


@pytest.mark.parametrize("header", [None, "short", "x" * 65, "with space here", "semi;colon;id"])
def test_unusable_id_is_replaced(header: str | None) -> None:
    response, seen = answer(header)

    assert seen[0] != header
    assert len(response["X-Correlation-ID"]) == 32


def test_id_does_not_leak_into_the_next_request() -> None:
    _, first = answer(None)
    _, second = answer(None)
    clear_correlation_id()

    assert first != second


def test_work_goes_under_the_id_of_its_row_and_back() -> None:
    bind_correlation_id("the-wake-up-1")

    with under_correlation_id("the-request-1"):
        assert correlation_id() == "the-request-1"
        assert structlog.contextvars.get_contextvars()["correlation_id"] == "the-request-1"

    assert correlation_id() == "the-wake-up-1"
    assert structlog.contextvars.get_contextvars()["correlation_id"] == "the-wake-up-1"
    clear_correlation_id()


@pytest.mark.parametrize("unusable", ["", "short", "with spaces in it", "x" * 65])
def test_unusable_id_of_a_row_changes_nothing(unusable: str) -> None:
    bind_correlation_id("the-wake-up-1")

    with under_correlation_id(unusable):
        assert correlation_id() == "the-wake-up-1"
    clear_correlation_id()
