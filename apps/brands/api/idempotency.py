"""`Idempotency-Key`: the same request sent again is answered again, not done again.

Lock, look-up, work and answer are one transaction. A server that dies in the middle leaves
neither work nor lock behind, so nothing blocks and nothing is done twice (docs/adr/0011).
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from apps.brands.api.errors import (
    BadIdempotencyKeyError,
    IdempotencyKeyReusedError,
    RequestInFlightError,
)
from apps.brands.models import IdempotentAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.request import Request

    from apps.brands.models import ApiKey

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 256
DELETE_PAGE = 1000
_KEY = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")


def given_key(request: Request) -> str | None:
    """The key of a POST, or None. Raises `BadIdempotencyKeyError`."""
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not _KEY.fullmatch(key):
        raise BadIdempotencyKeyError
    return key


def answer_once(
    *, api_key: ApiKey, request: Request, key: str, work: Callable[[], Response]
) -> Response:
    """`work`'s answer, or what it was the first time. An error is never kept: try again.

    Raises `RequestInFlightError` while the same is being answered elsewhere,
    `IdempotencyKeyReusedError` where the body is another one.
    """
    route = request.path
    digest = _digest(request)
    with transaction.atomic():
        if not _lock(f"{api_key.pk} {route} {key}"):
            raise RequestInFlightError
        kept = _kept(api_key, route, key)
        if kept is not None:
            return _again(kept, digest)
        response = work()
        _keep(api_key, route, key, digest, response)
    return response


def prune() -> int:
    """Deletes what is older than FLUX_API_ANSWER_HOURS; returns how many."""
    total = 0
    while True:
        expired = IdempotentAnswer.objects.filter(created_at__lt=_oldest()).order_by("created_at")
        page = expired.values("pk")[:DELETE_PAGE]
        deleted, _ = IdempotentAnswer.objects.filter(pk__in=page).delete()
        total += deleted
        if deleted < DELETE_PAGE:
            return total


def _lock(name: str) -> bool:
    """Held until the transaction ends, or the session that holds it."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _kept(api_key: ApiKey, route: str, key: str) -> IdempotentAnswer | None:
    kept = IdempotentAnswer.objects.filter(api_key=api_key, route=route, idempotency_key=key)
    return kept.filter(created_at__gte=_oldest()).first()


def _again(kept: IdempotentAnswer, digest: bytes) -> Response:
    if bytes(kept.request_digest) != digest:
        raise IdempotencyKeyReusedError
    body = bytes(kept.body)
    return Response(
        orjson.loads(body) if body else None, status=kept.status, headers={REPLAYED: "true"}
    )


def _keep(api_key: ApiKey, route: str, key: str, digest: bytes, response: Response) -> None:
    body = b"" if response.data is None else JSONRenderer().render(response.data)
    IdempotentAnswer.objects.update_or_create(
        api_key=api_key,
        route=route,
        idempotency_key=key,
        defaults={
            "request_digest": digest,
            "status": response.status_code,
            "body": body,
            "created_at": Now(),
        },
    )


def _oldest() -> object:
    return Now() - timedelta(hours=settings.API_ANSWER_HOURS)


def _digest(request: Request) -> bytes:
    """Of what the body says, not of how it is spaced or ordered."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    query = request.META.get("QUERY_STRING", "").encode()
    return hashlib.sha256(query + b"\n" + body).digest()
