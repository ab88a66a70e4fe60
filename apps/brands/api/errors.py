"""Errors of the API, each with a name for callers to tell it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework import exceptions, status

if TYPE_CHECKING:
    from collections.abc import Mapping

CHALLENGE = 'Bearer realm="Flux Station"'


class ApiError(exceptions.APIException):
    """An error with a name of its own, for callers to tell it by."""

    name = "error"

    def __init__(self, message: object = None) -> None:
        """`message` may be the room's own error: its text is told."""
        super().__init__(str(message or "") or self.default_detail)


class MissingKeyError(ApiError):
    status_code = status.HTTP_401_UNAUTHORIZED
    name = "missing_api_key"
    default_detail = "Send your API key in the header: Authorization: Bearer <key>."


class InvalidKeyError(ApiError):
    status_code = status.HTTP_401_UNAUTHORIZED
    name = "invalid_api_key"
    default_detail = "The API key is unknown, expired or revoked."


class MissingScopeError(ApiError):
    status_code = status.HTTP_403_FORBIDDEN
    name = "missing_scope"


class BodyTooLargeError(ApiError):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    name = "body_too_large"


class MalformedBodyError(ApiError):
    status_code = status.HTTP_400_BAD_REQUEST
    name = "malformed_body"


class ConflictError(ApiError):
    """The object is not in a state that allows this."""

    status_code = status.HTTP_409_CONFLICT
    name = "conflict"


class RefusedError(ApiError):
    """Nothing was done, for reasons that the caller can mend; `errors` has them by their codes."""

    status_code = status.HTTP_409_CONFLICT
    name = "refused"

    def __init__(self, message: str, errors: Mapping[str, list[str]]) -> None:
        super().__init__(message)
        self.errors = errors


class BadIdempotencyKeyError(ApiError):
    status_code = status.HTTP_400_BAD_REQUEST
    name = "invalid_idempotency_key"
    default_detail = "Idempotency-Key must have 1 to 256 printable ASCII characters."


class RequestInFlightError(ApiError):
    status_code = status.HTTP_409_CONFLICT
    name = "request_in_flight"
    default_detail = (
        "A request with this Idempotency-Key is being answered right now; ask again in a moment."
    )


class IdempotencyKeyReusedError(ApiError):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    name = "idempotency_key_reused"
    default_detail = (
        "This Idempotency-Key was used for another body. Use a new key for a new request."
    )


class UnavailableError(ApiError):
    """Nothing was done; the same may be tried again after `wait_seconds`."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    name = "service_unavailable"

    def __init__(self, message: object, *, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(message)


class RateLimitError(ApiError):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    name = "rate_limit_exceeded"

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(f"Too many requests; wait {wait_seconds} s.")
