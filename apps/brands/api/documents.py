"""What the OpenAPI document tells of all operations alike: errors, headers, idempotency."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from apps.brands.api import idempotency

METHODS = ("get", "post", "put", "patch", "delete")
WITH_BODY = ("post", "put", "patch")
ERROR = {"$ref": "#/components/schemas/Error"}

_ERRORS = {
    "400": "The body cannot be read, or a header is wrong.",
    "401": "No API key, or none that is valid.",
    "403": "The key lacks the scope for this.",
    "404": "There is no such object in the key's brand.",
    "409": "The object's state does not allow this, or the same request is being answered.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Fields are wrong (see `errors`), or the Idempotency-Key was used for another body.",
    "429": "Too many requests; wait for `Retry-After` seconds.",
}

_RATE_HEADERS = {
    "ratelimit-limit": "Requests that may come at once.",
    "ratelimit-remaining": "How many of them are left.",
    "ratelimit-reset": "Seconds until all are there again.",
}


document_view = SpectacularJSONAPIView.as_view()
reading_view = SpectacularSwaggerSplitView.as_view(url_name="api-schema")


def document_common_answers(
    result: dict[str, Any],
    **_context: Any,
) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular."""
    result["components"].setdefault("schemas", {})["Error"] = _error_schema()
    for path, operations in result["paths"].items():
        for method in METHODS:
            if method in operations:
                _complete(operations[method], codes=_codes(path, method), method=method)
    return result


def _complete(operation: dict[str, Any], *, codes: list[str], method: str) -> None:
    answers = operation["responses"]
    for code in codes:
        answers.setdefault(code, _error(code))
    for code, answer in answers.items():
        if code != "401":
            answer["headers"] = {**_headers(_RATE_HEADERS), **answer.get("headers", {})}
    answers["429"]["headers"].update(_headers({"Retry-After": "Seconds to wait."}))
    if method == "post":
        operation.setdefault("parameters", []).append(_idempotency_parameter())


def _codes(path: str, method: str) -> list[str]:
    codes = ["401", "403", "422", "429"]
    if "{" in path:
        codes.append("404")
    if method in WITH_BODY:
        codes += ["400", "409", "413", "415"]
    # What lies below an object may not be there yet: a draft has no results.
    elif method == "delete" or "}/" in path:
        codes += ["409"]
    return codes


def _error(code: str) -> dict[str, Any]:
    return {
        "description": _ERRORS[code],
        "content": {"application/json": {"schema": ERROR}},
    }


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "integer", "minimum": 0}}
        for name, text in texts.items()
    }


def _idempotency_parameter() -> dict[str, Any]:
    return {
        "name": idempotency.HEADER,
        "in": "header",
        "required": False,
        "description": (
            "Any text of your choice, unique for this request: sent again with the same body, the"
            " first answer comes back and nothing is done twice."
        ),
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": idempotency.LONGEST,
            "pattern": "^[!-~]([ -~]{0,254}[!-~])?$",
        },
    }


def _error_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["statusCode", "name", "message"],
        "additionalProperties": False,
        "properties": {
            "statusCode": {"type": "integer", "description": "The HTTP status again."},
            "name": {"type": "string", "description": "To tell errors apart in a program."},
            "message": {"type": "string", "description": "To read."},
            "errors": {
                "type": "object",
                "description": "By field: what is wrong with it.",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
        },
    }


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.brands.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, _auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "Your API key."}
