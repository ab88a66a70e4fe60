"""Where the provider posts its events. Stored first, answered at once, worked off by a task.

Django's view and the shorter way of `intake` answer by the same function.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.brands.secrets import UnreadableSecretError
from apps.mail.events import receiving
from apps.mail.events.endpoints import endpoints
from apps.mail.events.errors import (
    BodyTooLargeError,
    BodyUnreadableError,
    MethodNotAllowedError,
    WebhookRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Read = Callable[[int], bytes]

log = structlog.get_logger(__name__)

# An event has some 2 KB; one of a mail with 50 recipients and long headers stays far below.
BODY_LIMIT_BYTES = 256 * 1024
# At hundreds of events a second a line for each would cost as much as storing it.
TOLD_EVERY_SECONDS = 1.0
JSON = "application/json"
RECEIVED = b'{"received": true}'
UNAVAILABLE = 503


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Tally:
    """Counts what was stored and tells it now and then. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = self._new = 0
        self._told_at = time.monotonic()

    def add(self, *, new: bool) -> None:
        with self._lock:
            self._received += 1
            self._new += new
            now = time.monotonic()
            if now - self._told_at < TOLD_EVERY_SECONDS:
                return
            received, stored, self._received, self._new = self._received, self._new, 0, 0
            seconds, self._told_at = now - self._told_at, now
        log.info("webhooks_received", number=received, new=stored, seconds=round(seconds, 1))


_tally = Tally()


@csrf_exempt  # the signature is the authentication: no cookie, no session
def receive_resend(request: HttpRequest, token: str) -> HttpResponse:
    """For servers and tests that come by Django's own way."""
    answer = respond(
        method=request.method or "", token=token, headers=request.headers, read=request.read
    )
    return HttpResponse(
        answer.body, status=answer.status, headers=dict(answer.headers), content_type=JSON
    )


def respond(*, method: str, token: str, headers: Mapping[str, str], read: Read) -> Answer:
    """200 for what is stored (now or before), 4xx for what never will be, 503 for "later"."""
    account_id = None
    try:
        if method != "POST":
            raise MethodNotAllowedError("Webhooks are posted.")
        endpoint = endpoints.find(token)
        account_id = endpoint.account_id
        new = receiving.receive(endpoint=endpoint, headers=headers, body=_body(read))
    except WebhookRefusedError as refusal:
        log.warning("webhook_refused", account=account_id, name=refusal.name)
        return _refused(refusal.status_code, refusal.name, str(refusal))
    except (OperationalError, InterfaceError, UnreadableSecretError) as error:
        return _later(account_id, error)
    _tally.add(new=new)
    return Answer(200, RECEIVED)


def _body(read: Read) -> bytes:
    """The raw bytes, and never more than the limit of them."""
    try:
        body = read(BODY_LIMIT_BYTES + 1)
    except OSError:  # what Django raises for a broken connection is one, too
        raise BodyUnreadableError("The body did not arrive.") from None
    if len(body) > BODY_LIMIT_BYTES:
        raise BodyTooLargeError(f"The body has more than {BODY_LIMIT_BYTES} bytes.")
    return body


def _later(account_id: int | None, error: Exception) -> Answer:
    """The fault is ours: the provider delivers again what it got no 2xx for."""
    log.error("webhook_not_stored", account=account_id, error=type(error).__name__)
    return _refused(UNAVAILABLE, "service_unavailable", "Not stored. Deliver it again later.")


def _refused(status_code: int, name: str, message: str) -> Answer:
    headers = {"Allow": "POST"} if status_code == MethodNotAllowedError.status_code else {}
    body = orjson.dumps({"statusCode": status_code, "name": name, "message": message})
    return Answer(status_code, body, headers)
