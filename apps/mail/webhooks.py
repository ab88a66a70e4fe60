"""Where the provider posts its events. Stored first, answered at once, worked off by a task."""

from __future__ import annotations

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from apps.brands.secrets import UnreadableSecretError
from apps.mail.events import receiving
from apps.mail.events.errors import (
    BodyTooLargeError,
    BodyUnreadableError,
    MethodNotAllowedError,
    WebhookRefusedError,
)

log = structlog.get_logger(__name__)

# An event has some 2 KB; one of a mail with 50 recipients and long headers stays far below.
BODY_LIMIT_BYTES = 256 * 1024


@csrf_exempt  # the signature is the authentication: no cookie, no session
def receive_resend(request: HttpRequest, token: str) -> JsonResponse:
    """200 for what is stored (now or before), 4xx for what never will be, 503 for "later"."""
    account_id = None
    try:
        if request.method != "POST":
            raise MethodNotAllowedError("Webhooks are posted.")
        account = receiving.account_of(token)
        account_id = account.pk
        new = receiving.receive(account=account, headers=request.headers, body=_body(request))
    except WebhookRefusedError as refusal:
        log.warning("webhook_refused", account=account_id, name=refusal.name)
        return _refused(refusal.status_code, refusal.name, str(refusal))
    except (OperationalError, InterfaceError, UnreadableSecretError) as error:
        return _later(account_id, error)
    log.info("webhook_received", account=account_id, new=new)
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes:
    """The raw bytes, and never more than the limit of them."""
    try:
        body: bytes = request.read(BODY_LIMIT_BYTES + 1)
    except UnreadablePostError:
        raise BodyUnreadableError("The body did not arrive.") from None
    if len(body) > BODY_LIMIT_BYTES:
        raise BodyTooLargeError(f"The body has more than {BODY_LIMIT_BYTES} bytes.")
    return body


def _later(account_id: int | None, error: Exception) -> JsonResponse:
    """The fault is ours: the provider delivers again what it got no 2xx for."""
    log.error("webhook_not_stored", account=account_id, error=type(error).__name__)
    return _refused(503, "service_unavailable", "Not stored. Deliver it again later.")


def _refused(status_code: int, name: str, message: str) -> JsonResponse:
    headers = {"Allow": "POST"} if status_code == MethodNotAllowedError.status_code else {}
    return JsonResponse(
        {"statusCode": status_code, "name": name, "message": message},
        status=status_code,
        headers=headers,
    )
