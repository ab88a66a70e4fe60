"""Is the station there? For load balancers and process managers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import Error, connection
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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
