"""The short way in for webhooks: before Django's middleware, which costs more than the storing.

Sessions, languages, cookies and frames are nothing to a signed event. The same functions answer
as behind Django's view; only what surrounds them is left out.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.mail.webhooks import JSON, UNAVAILABLE, Answer, respond
from apps.queues.correlation import HEADER, bind_correlation_id, clear_correlation_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/webhooks/resend/"
_HEADERS = ("svix-id", "svix-timestamp", "svix-signature")
_VARIABLES = tuple((name, "HTTP_" + name.upper().replace("-", "_")) for name in _HEADERS)
_CORRELATION = "HTTP_" + HEADER.upper().replace("-", "_")
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Intake:
    """A WSGI application in front of another one: takes the webhooks, passes all else on."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._application(environ, start_response)
        correlation = bind_correlation_id(environ.get(_CORRELATION))
        try:
            answer = _answer(environ, path[len(PREFIX) :].removesuffix("/"))
        finally:
            clear_correlation_id()
        start_response(
            _LINES[answer.status],
            [
                ("Content-Type", JSON),
                ("Content-Length", str(len(answer.body))),
                (HEADER, correlation),
                *answer.headers.items(),
            ],
        )
        return [answer.body]


def _answer(environ: WSGIEnvironment, token: str) -> Answer:
    """Tried once more on a new connection: no look at each one whether it is still alive."""
    method = environ.get("REQUEST_METHOD", "")
    headers = {name: environ.get(variable, "") for name, variable in _VARIABLES}
    body = _Kept(environ["wsgi.input"])
    answer = respond(method=method, token=token, headers=headers, read=body.read)
    if answer.status == UNAVAILABLE:
        connection.close()
        answer = respond(method=method, token=token, headers=headers, read=body.read)
    return answer


class _Kept:
    """A body that can be read again."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._seen: io.BytesIO | None = None

    def read(self, limit: int) -> bytes:
        if self._seen is None:
            self._seen = io.BytesIO(self._stream.read(limit))
        self._seen.seek(0)
        return self._seen.read(limit)
