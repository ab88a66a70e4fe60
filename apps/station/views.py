"""Is the station there, can it work, what did it count? For machines."""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError

from apps.queues.broker import process_broker
from apps.station.queues_desk import exporting

if TYPE_CHECKING:
    from django.http import HttpRequest


@require_safe
@never_cache
def healthz(_: HttpRequest) -> JsonResponse:
    """200 where the database answers, else 503; asks nothing more of it than `SELECT 1`."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        # What exactly went wrong is for the log: anybody may ask here.
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok"})


@require_safe
@never_cache
def readyz(_: HttpRequest) -> JsonResponse:
    """200 where requests can be served: the database answers and has every migration of this code.

    A broker that is away makes the station slower and is told, but is no reason to send nobody
    here.
    """
    try:
        migrations = "ok" if _is_migrated() else "missing"
    except Error:
        return JsonResponse({"status": "unavailable", "database": "away"}, status=503)
    ready = migrations == "ok"
    return JsonResponse(
        {
            "status": "ok" if ready else "unavailable",
            "database": "ok",
            "migrations": migrations,
            "broker": _broker_state(),
        },
        status=200 if ready else 503,
    )


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus; 403 without the token, or from elsewhere where none is set."""
    if not _may_read_metrics(request):
        return HttpResponse("Forbidden.\n", status=403, content_type="text/plain")
    return HttpResponse(exporting.render(), content_type=CONTENT_TYPE_LATEST)


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _broker_state() -> str:
    try:
        process_broker().ping()
    except (RedisError, OSError):
        return "away"
    return "ok"


def _may_read_metrics(request: HttpRequest) -> bool:
    if token := settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").partition(" ")[2]
        return hmac.compare_digest(given.encode(), token.encode())
    # A proxy on this machine speaks for others, and says so.
    forwarded = {"X-Forwarded-For", "Forwarded", "X-Real-Ip"} & set(request.headers)
    return not forwarded and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a socket of this machine has none
        return not address
