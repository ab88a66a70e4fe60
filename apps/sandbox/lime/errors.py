"""The provider's error table, and the answers it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

PASSWORD_EMPTY = 101
MOBILE_EMPTY = 102
MESSAGE_EMPTY = 103
UNKNOWN_USER = 105
API_NOT_ENABLED = 106
INVALID_MOBILE = 107
NOT_OPTED_IN = 108
NO_CREDITS = 109
NUMBER_ERROR = 110
SEND_ERROR = 111
GENERAL = 500

MESSAGES: dict[int, str] = {
    PASSWORD_EMPTY: "Password is empty",
    MOBILE_EMPTY: "Mobile number is empty",
    MESSAGE_EMPTY: "Message is empty",
    UNKNOWN_USER: "Unknown user or wrong API id",
    API_NOT_ENABLED: "API is not enabled for this user",
    INVALID_MOBILE: "Invalid mobile number",
    NOT_OPTED_IN: "Mobile number is not opted in",
    NO_CREDITS: "Not enough credits",
    NUMBER_ERROR: "Number error",
    SEND_ERROR: "Send error",
    GENERAL: "General error",
}
_FORBIDDEN = frozenset({PASSWORD_EMPTY, UNKNOWN_USER, API_NOT_ENABLED})
_FAILED = frozenset({SEND_ERROR, GENERAL})
_SWAPPED = {MESSAGE_EMPTY: UNKNOWN_USER, UNKNOWN_USER: MESSAGE_EMPTY}
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
XML = "text/xml; charset=utf-8"


class LimeError(Exception):
    """What the provider refuses a whole request with. `error_id` is one of the table above."""

    def __init__(self, error_id: int, message: str | None = None) -> None:
        super().__init__(message or MESSAGES[error_id])
        self.error_id = error_id


class TooManyRequestsError(Exception):
    """A limit is used up for so many seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many requests")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = TEXT
    error: str | None = None
    """The error id as the log names it."""
    retry_after: int | None = None


OK_TEXT = Answer(200, b"OK")
OK_JSON = Answer(200, b'{"Status":"OK"}', JSON)


def shown_id(error_id: int, *, swapped: bool) -> int:
    """The id a client is told: sources disagree on which of 103 and 105 is which."""
    return _SWAPPED.get(error_id, error_id) if swapped else error_id


def http_status(error_id: int) -> int:
    if error_id in _FORBIDDEN:
        return 403
    return 500 if error_id in _FAILED else 400


def error_document(error_id: int, message: str) -> dict[str, Any]:
    """The misspelling is the provider's own."""
    return {"Status": "Error", "ErrorId": str(error_id), "ErrorMessgae": message}


def refusal(error: LimeError, *, json: bool, swapped: bool, always_200: bool) -> Answer:
    """The answer to a request that is refused as a whole."""
    error_id = shown_id(error.error_id, swapped=swapped)
    status = http_status(error.error_id)
    if not json:
        return Answer(status, str(error).encode(), TEXT, str(error_id))
    body = orjson.dumps(error_document(error_id, str(error)))
    return Answer(200 if always_200 else status, body, JSON, str(error_id))


def too_many(error: TooManyRequestsError) -> Answer:
    return Answer(429, str(error).encode(), TEXT, "429", error.retry_after)


def accepted(refused: list[tuple[str, int]], *, json: bool, listing: bool) -> Answer:
    """The answer to a request that was taken; the refused numbers only where they are listed."""
    if not json:
        return OK_TEXT
    if not listing:
        return OK_JSON
    errors = [
        {"Mobile": mobile, "ErrorId": str(error_id), "ErrorMessgae": MESSAGES[error_id]}
        for mobile, error_id in refused
    ]
    return Answer(200, orjson.dumps({"Status": "OK", "MobilesErrors": errors}), JSON)
