"""What browsers ask before they let a page of another origin read our answers.

Only views with `answers_origins` take part, and only origins in the list of a brand. Nothing here
lets anybody in: there are no cookies, and each view asks for its key, its origin or its link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers

from apps.brands.api.routing import PREFIX
from apps.newsletter.origins import known_origins

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

SENT = "authorization, content-type, idempotency-key, x-email-action"
SHOWN = "retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, idempotency-replayed"
PREFLIGHT_SECONDS = "600"


class OriginMiddleware:
    """Answers OPTIONS, and adds the headers that allow an origin to the other answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self._get_response(request)
        if request.method == "OPTIONS":
            actions = _actions(request)
            return _preflight(request, actions) if actions else self._get_response(request)
        response = self._get_response(request)
        if "Origin" in request.headers and _actions(request):
            _allow(request, response)
        return response


def _actions(request: HttpRequest) -> dict[str, str]:
    """The methods of the view at this path, if it answers other origins."""
    try:
        view: Any = resolve(request.path_info).func
    except Resolver404:
        return {}
    if not getattr(getattr(view, "cls", None), "answers_origins", False):
        return {}
    actions: dict[str, str] = view.actions
    return actions


def _preflight(request: HttpRequest, actions: dict[str, str]) -> HttpResponse:
    methods = ", ".join(sorted({name.upper() for name in actions} | {"OPTIONS"}))
    response = HttpResponse(status=204, headers={"Allow": methods, "Cache-Control": "no-store"})
    if _allow(request, response):
        response["Access-Control-Allow-Methods"] = methods
        response["Access-Control-Allow-Headers"] = SENT
        response["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def _allow(request: HttpRequest, response: HttpResponse) -> bool:
    """By the list of the brand that was asked, or any brand's where none is known yet."""
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin", "")
    brand_id = getattr(request, "asked_brand_id", None)
    if not origin or not known_origins.allows(origin, brand_id=brand_id):
        return False
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Expose-Headers"] = SHOWN
    return True
