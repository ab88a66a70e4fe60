"""What people's phones and other systems open: tracked links, events by webhook, callbacks."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import DatabaseError
from django.http import (
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotFound,
    JsonResponse,
    UnreadablePostError,
)
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from apps.brands.api.answering import error_body
from apps.brands.api.clients import client_address
from apps.brands.api.errors import ApiError
from apps.brands.api.parsing import check_texts
from apps.brands.models import ProviderAccount
from apps.sms.api.events import MOST_ITEMS, answer
from apps.sms.callbacks import reading as callback_reading
from apps.sms.callbacks import receiving
from apps.sms.models import EventSource, TrackingEvent
from apps.sms.tracking import clicking, signatures
from apps.sms.tracking.machines import is_machine
from apps.sms.tracking.reading import take

if TYPE_CHECKING:
    from django.http import HttpRequest

log = structlog.get_logger(__name__)

EVENTS_BYTES = 1024 * 1024


@csrf_exempt  # nothing here goes by cookies
def follow_link(request: HttpRequest, code: str) -> HttpResponse:
    """302 to where the operator set; the person gets there also when the click cannot be noted."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    link = clicking.find(code)
    if link is None:
        return HttpResponseNotFound("This link leads nowhere.", content_type="text/plain")
    machine = is_machine(method=request.method, headers=request.headers)
    try:
        clicking.note_click(link, by_machine=machine, at=timezone.now())
    except DatabaseError as error:
        log.warning("click_not_noted", error=type(error).__name__)
    # Not HttpResponseRedirect, which may refuse what the database holds to be a web address.
    headers = {
        "Location": link.url,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return HttpResponse(status=302, headers=headers)


@csrf_exempt  # the signature is the authentication
def receive_events(request: HttpRequest, token: str) -> JsonResponse:
    """Events of one brand by webhook, one or a list; answered when they are recorded.

    503 asks the sender to come again: what was recorded before then counts once all the same.
    """
    if request.method != "POST":
        return _refused(405, "method_not_allowed", "Webhooks are posted.")
    try:
        source = EventSource.objects.filter(token=token, active=True).first()
        if source is None:
            return _refused(404, "not_found", "There is no such webhook.")
        given = _signed_events(request, source)
        outcomes = take(given, brand_id=source.brand_id, source=TrackingEvent.Source.WEBHOOK)
    except ApiError as refusal:
        return _refused(refusal.status_code, refusal.name, str(refusal.detail))
    except DatabaseError as error:
        log.warning("events_not_recorded", error=type(error).__name__)
        return _refused(503, "service_unavailable", "Not recorded. Deliver it again later.")
    log.info("events_received", source=source.pk, events=len(outcomes))
    return JsonResponse(answer(outcomes))


@csrf_exempt  # the secret path is the authentication; leaving is all that it can bring about
def receive_callback(request: HttpRequest, token: str) -> JsonResponse:
    """What the provider tells of a number; answered when it is stored, and leaving obeyed."""
    if request.method not in ("GET", "POST"):
        return _refused(405, "method_not_allowed", "Call by GET or POST.")
    try:
        account = ProviderAccount.objects.filter(
            webhook_token=token, kind=ProviderAccount.Kind.LIME
        ).first()
        if account is None or not _may_call(request):
            return _refused(404, "not_found", "There is no such callback.")
        told = callback_reading.read(_parameters(request))
        new = receiving.receive(account=account, told=told)
    except (callback_reading.BadCallbackError, RequestDataTooBig, TooManyFieldsSent) as error:
        log.warning("callback_refused", error=type(error).__name__)
        return _refused(400, "bad_callback", str(error))
    except DatabaseError as error:
        log.warning("callback_not_stored", error=type(error).__name__)
        return _refused(503, "service_unavailable", "Not stored. Call again later.")
    return JsonResponse({"received": True, "new": new})


def _may_call(request: HttpRequest) -> bool:
    if not settings.LIME_CALLBACK_NETWORKS:
        return True
    address = client_address(request)
    return address is not None and any(
        ip_address(address) in network for network in settings.LIME_CALLBACK_NETWORKS
    )


def _parameters(request: HttpRequest) -> dict[str, str]:
    try:
        return {**request.GET.dict(), **request.POST.dict()}
    except (UnreadablePostError, MultiPartParserError):
        raise callback_reading.BadCallbackError("The body did not arrive.") from None


class _BadWebhookError(ApiError):
    status_code = 400
    name = "bad_webhook"


class _BadSignatureError(ApiError):
    status_code = 401
    name = "invalid_signature"
    default_detail = "The signature does not fit, or is older than five minutes."


def _signed_events(request: HttpRequest, source: EventSource) -> list[Any]:
    try:
        body = request.read(EVENTS_BYTES + 1)
    except UnreadablePostError:
        raise _BadWebhookError("The body did not arrive.") from None
    if len(body) > EVENTS_BYTES:
        raise _BadWebhookError(f"The body has more than {EVENTS_BYTES:,} bytes.")
    secrets = (source.secret, source.previous_secret)
    if not signatures.is_genuine(body, request.headers, secrets=secrets, now=time.time()):
        raise _BadSignatureError
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _BadWebhookError("The body is no JSON.") from None
    check_texts(told)
    given = told if isinstance(told, list) else [told]
    if not 1 <= len(given) <= MOST_ITEMS:
        raise _BadWebhookError(f"Must have 1 to {MOST_ITEMS:,} events, not {len(given):,}.")
    return given


def _refused(status: int, name: str, message: str) -> JsonResponse:
    return JsonResponse(error_body(status, name, message), status=status)
