"""The errors of the API, with the names, codes and texts of its documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable


def compact_json(document: object) -> bytes:
    """JSON that is kept for long: orjson leaves a kilobyte of room behind each of its results."""
    return bytes(memoryview(orjson.dumps(document)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint says: a status and a JSON document."""

    status: int
    body: bytes
    error: str | None = None
    """The error's name, for the request log."""
    retry_after: int | None = None
    """Seconds; with every 429."""
    content_type: str = "application/json; charset=utf-8"


class ApiError(Exception):
    """A refusal; raised anywhere below an endpoint and turned into an answer in one place."""

    def __init__(
        self, status: int, name: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.retry_after = retry_after

    @property
    def answer(self) -> Answer:
        body = {"statusCode": self.status, "name": self.name, "message": self.message}
        return Answer(self.status, orjson.dumps(body), self.name, self.retry_after)


def _error(status: int, name: str, message: str) -> Callable[[], ApiError]:
    return lambda: ApiError(status, name, message)


missing_api_key = _error(401, "missing_api_key", "Missing API key in the authorization header")
restricted_api_key = _error(
    401, "restricted_api_key", "This API key is restricted to only send emails"
)
invalid_api_key = _error(403, "invalid_api_key", "API key is invalid")
suspended_api_key = _error(403, "suspended_api_key", "This API key is suspended")
missing_user_agent = _error(
    403, "validation_error", "The request has no User-Agent header; send one and try again"
)
endpoint_not_found = _error(404, "not_found", "The requested endpoint does not exist")
method_not_allowed = _error(
    405, "method_not_allowed", "This endpoint does not support the specified HTTP method"
)
invalid_idempotency_key = _error(
    400, "invalid_idempotency_key", "The key must be between 1-256 chars"
)
invalid_idempotent_request = _error(
    409,
    "invalid_idempotent_request",
    "Same idempotency key used with a different request payload",
)
concurrent_idempotent_requests = _error(
    409,
    "concurrent_idempotent_requests",
    "Same idempotency key used while original request is still in progress",
)
application_error = _error(500, "application_error", "An unexpected error occurred")
service_unavailable = _error(503, "service_unavailable", "The service is temporarily unavailable")
invalid_uuid = _error(422, "invalid_parameter", "The parameter must be a valid UUID")


def rate_limit_exceeded(limit: int, retry_after: int) -> ApiError:
    message = f"Too many requests. You can only make {limit} requests per second"
    return ApiError(429, "rate_limit_exceeded", message, retry_after=retry_after)


def quota_exceeded(period: str, retry_after: int) -> ApiError:
    """`period` is daily or monthly."""
    message = f"You have reached your {period} email sending quota"
    return ApiError(429, f"{period}_quota_exceeded", message, retry_after=retry_after)


def not_found(noun: str) -> ApiError:
    return ApiError(404, "not_found", f"{noun} not found")


def already_exists(noun: str) -> ApiError:
    return ApiError(409, "already_exists", f"{noun} already exists")


def malformed_body() -> ApiError:
    return ApiError(400, "validation_error", "The request body is not valid JSON")


def missing_field(name: str) -> ApiError:
    return ApiError(422, "missing_required_field", f"Missing {name} field")


def invalid(message: str) -> ApiError:
    return ApiError(422, "validation_error", message)


def forbidden(message: str) -> ApiError:
    return ApiError(403, "validation_error", message)
