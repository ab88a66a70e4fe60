"""Every error of the API has one form: `{statusCode, name, message, errors?}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.brands.api.errors import (
    CHALLENGE,
    ApiError,
    RateLimitError,
    RefusedError,
    UnavailableError,
)
from apps.brands.api.routing import PREFIX
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

_FALLBACK_NAMES: Mapping[int, str] = {
    400: "bad_request",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    429: "rate_limit_exceeded",
    500: "internal_error",
}


def answer_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler. What is not foreseen is logged, reported, and told nothing of."""
    known = _known(error)
    set_rollback()
    if known is None:
        request = context.get("request")
        log.error("api_request_failed", exc_info=error)
        got_request_exception.send(sender=None, request=getattr(request, "_request", request))
        return Response(failure_body(), status=status.HTTP_500_INTERNAL_SERVER_ERROR)
    return Response(_body(known), status=_status(known), headers=_headers(known))


def failure_body() -> dict[str, Any]:
    return error_body(
        500,
        "internal_error",
        f"Something failed on our side. Tell us this id: {correlation_id()}.",
    )


def error_body(
    status_code: int, name: str, message: str, errors: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"statusCode": status_code, "name": name, "message": message}
    return {**body, "errors": dict(errors)} if errors else body


def field_errors(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """DRF's nested details as `audience.topics.0` and its messages."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from field_errors(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        messages = [str(one) for one in detail if isinstance(one, str)]
        if messages:
            yield path or "body", messages
        for index, inner in enumerate(detail):
            if not isinstance(inner, str):
                yield from field_errors(inner, f"{path}.{index}" if path else str(index))
    else:
        yield path or "body", [str(detail)]


@csrf_exempt
def not_found(request: HttpRequest, *_args: Any, **_kwargs: Any) -> JsonResponse:
    """For paths below /api/ that lead nowhere."""
    return JsonResponse(
        error_body(404, "not_found", f"There is nothing at {request.path}; see {PREFIX}docs."),
        status=404,
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(PREFIX):
        return not_found(request)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(PREFIX):
        return JsonResponse(error_body(400, "bad_request", "The request is broken."), status=400)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(PREFIX):
        return JsonResponse(failure_body(), status=500)
    return defaults.server_error(request)


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, Http404):
        return exceptions.NotFound("There is no such object.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    return error if isinstance(error, exceptions.APIException) else None


def _status(error: exceptions.APIException) -> int:
    """422 for what can be read but not accepted; 400 is left to what cannot even be read."""
    unacceptable = isinstance(error, exceptions.ValidationError)
    return status.HTTP_422_UNPROCESSABLE_ENTITY if unacceptable else error.status_code


def _body(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = dict(field_errors(error.detail))
        message = f"Please correct: {', '.join(errors)}."
        return error_body(_status(error), "validation_error", message, errors)
    if isinstance(error, RefusedError):
        return error_body(error.status_code, error.name, str(error.detail), error.errors)
    name = error.name if isinstance(error, ApiError) else _FALLBACK_NAMES[error.status_code]
    return error_body(error.status_code, name, str(error.detail))


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if _status(error) == status.HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, RateLimitError | UnavailableError):
        headers["Retry-After"] = str(error.wait_seconds)
    return headers
