"""`Idempotency-Key`: the same request sent again is answered again, not done again.

Lock, look-up, work and answer are one transaction. A server that dies in the middle leaves
neither work nor lock behind, so nothing blocks and nothing is done twice. Actions that ask a
provider hold the lock of a session instead (docs/adr/0011).
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
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
    from collections.abc import Callable, Iterator

    from rest_framework.request import Request

    from apps.brands.models import ApiKey

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
    *, api_key: ApiKey, request: Request, key: str, atomic: bool, work: Callable[[], Response]
) -> Response:
    """`work`'s answer, or what it was the first time. An error is never kept: try again.

    Without `atomic` the work has transactions of its own, because it asks a provider in between;
    it must then bear to be done again after a crash. Raises `RequestInFlightError` while the same
    is being answered elsewhere, `IdempotencyKeyReusedError` where the body is another one.
    """
    slot = Slot(api_key.pk, request.path, key, _digest(request))
    with transaction.atomic() if atomic else nullcontext(), _held(slot.lock, in_transaction=atomic):
        kept = slot.kept()
        if kept is not None:
            return _again(kept, slot.digest)
        response = work()
        slot.keep(response)
    return response


@dataclass(frozen=True)
class Slot:
    """The place of one answer."""

    api_key_id: int
    route: str
    key: str
    digest: bytes

    @property
    def lock(self) -> int:
        name = f"{self.api_key_id} {self.route} {self.key}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)

    def kept(self) -> IdempotentAnswer | None:
        return IdempotentAnswer.objects.filter(created_at__gte=_oldest(), **self._place).first()

    def keep(self, response: Response) -> None:
        body = b"" if response.data is None else JSONRenderer().render(response.data)
        IdempotentAnswer.objects.update_or_create(
            **self._place,
            defaults={
                "request_digest": self.digest,
                "status": response.status_code,
                "body": body,
                "created_at": Now(),
            },
        )

    @property
    def _place(self) -> dict[str, Any]:
        return {
            "api_key_id": self.api_key_id,
            "route": self.route,
            "idempotency_key": self.key,
        }


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


@contextmanager
def _held(lock: int, *, in_transaction: bool) -> Iterator[None]:
    """Ends with the transaction or the session, and so never outlives a dead server.

    Raises `RequestInFlightError` where somebody else holds it.
    """
    kind = "xact_lock" if in_transaction else "lock"
    if not _ask(f"SELECT pg_try_advisory_{kind}(%s)", lock):
        raise RequestInFlightError
    try:
        yield
    finally:
        if not in_transaction:
            _ask("SELECT pg_advisory_unlock(%s)", lock)


def _ask(statement: str, lock: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [lock])
        return bool(cursor.fetchone()[0])


def _again(kept: IdempotentAnswer, digest: bytes) -> Response:
    if bytes(kept.request_digest) != digest:
        raise IdempotencyKeyReusedError
    body = bytes(kept.body)
    return Response(
        orjson.loads(body) if body else None, status=kept.status, headers={REPLAYED: "true"}
    )


def _oldest() -> object:
    return Now() - timedelta(hours=settings.API_ANSWER_HOURS)


def _digest(request: Request) -> bytes:
    """Of what the body says, not of how it is spaced or ordered."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    query = request.META.get("QUERY_STRING", "").encode()
    return hashlib.sha256(query + b"\n" + body).digest()
