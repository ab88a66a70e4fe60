"""Paths of the API: without a slash at the end, and answered with one too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.routers import SimpleRouter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

PREFIX = "/api/"


class StationRouter(SimpleRouter):
    """Each room has one; its `urls` are joined below /api/."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False)


class TrailingSlashMiddleware:
    """Takes the slash off: a redirect would lose the body of a POST."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(PREFIX) and request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
            request.path = request.path[:-1]
        return self._get_response(request)
