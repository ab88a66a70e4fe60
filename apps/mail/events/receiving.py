"""Storing a webhook: once, before it is answered, in the partition of the event's own month."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from django.conf import settings
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.mail.events.errors import MalformedEventError
from apps.mail.events.signatures import SvixHeaders, verify
from apps.queues import partitions
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.mail.events.endpoints import Endpoint

log = structlog.get_logger(__name__)

EVENT_TABLE = "mail_deliveryevent"
TYPE_LIMIT = 60
# Whoever is woken works off all that waits, so a burst of events needs no burst of wake-ups. The
# sweeper finds what falls into the pause.
WAKE_PAUSE_SECONDS = 0.5
_TYPE = re.compile(rf"[!-~]{{1,{TYPE_LIMIT}}}")

_woken_at = float("-inf")


@dataclass(frozen=True)
class Event:
    """The envelope of an event; `payload` is the text as it came."""

    account_id: int
    provider_event_id: str
    type: str
    occurred_at: datetime
    payload: str


def receive(*, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> bool:
    """Verifies and stores one webhook; False where it was stored before.

    Raises a `WebhookRefusedError` for anything the provider did not sign, or that is no event.
    """
    svix = SvixHeaders.of(headers)
    verify(body, svix, secrets=endpoint.secrets, now=time.time())
    return store(parse(body, account_id=endpoint.account_id, provider_event_id=svix.event_id))


def parse(body: bytes, *, account_id: int, provider_event_id: str) -> Event:
    """Reads the envelope of verified bytes. Raises `MalformedEventError`."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedEventError("The body is not JSON in UTF-8.") from None
    if not isinstance(content, dict):
        raise MalformedEventError("The body must be a JSON object.")
    if not isinstance(content.get("data"), dict):
        raise MalformedEventError("data: expected an object.")
    return Event(
        account_id=account_id,
        provider_event_id=provider_event_id,
        type=_type(content.get("type")),
        occurred_at=_moment(content.get("created_at")),
        payload=body.decode(),
    )


def _type(value: Any) -> str:
    if not isinstance(value, str) or not _TYPE.fullmatch(value):
        raise MalformedEventError(
            f"type: expected a name of at most {TYPE_LIMIT} characters, such as email.sent."
        )
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise MalformedEventError(
            "created_at: expected a time such as 2023-10-06T23:47:56.678Z."
        ) from None


def partition_month(occurred_at: datetime, *, now: datetime) -> date:
    """The partition that an event lies in: the month it happened in.

    That is the same in every redelivery, so that the second one meets the first one's unique
    index. A month that the retention has passed already, or one after the next, is absurd: such
    an event lies in the month it arrived in. (Redelivered across a month's end it is stored
    twice; applying it twice changes nothing.)
    """
    age_months = _month_number(now) - _month_number(occurred_at)
    plausible = -1 <= age_months <= settings.EVENT_RETENTION_MONTHS
    return (occurred_at if plausible else now).date().replace(day=1)


def _month_number(moment: datetime) -> int:
    return moment.year * 12 + moment.month


def store(event: Event) -> bool:
    """Writes the event down and wakes a worker; False where it was there already."""
    month = partition_month(event.occurred_at, now=datetime.now(tz=UTC))
    try:
        return _insert(event, month)
    except IntegrityError:  # the only constraint left to break: that there is a partition
        _make_partition(month)
        return _insert(event, month)


def _insert(event: Event, month: date) -> bool:
    """By itself the statement is its own transaction, and committed when it returns.

    In a caller's transaction it must not spoil that one where it fails.
    """
    guard = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with guard, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_deliveryevent"
            "       (month, account_id, provider_event_id, type, occurred_at, payload)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                month,
                event.account_id,
                event.provider_event_id,
                event.type,
                event.occurred_at,
                event.payload,
            ],
        )
        stored = bool(cursor.rowcount)
        if stored:
            _wake_applier()
    return stored


def _make_partition(month: date) -> None:
    # Another process may be making it too; then the row finds its place, or fails for good.
    with suppress(IntegrityError, ProgrammingError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{partitions.LOCK_TIMEOUT}'")
        made = partitions.ensure_partitions(EVENT_TABLE, around=month)
        log.warning("event_partition_was_missing", month=str(month), made=len(made))


def _wake_applier() -> None:
    global _woken_at  # noqa: PLW0603 - one pause per process
    now = time.monotonic()
    if now - _woken_at >= WAKE_PAUSE_SECONDS:
        _woken_at = now
        enqueue(TaskName.APPLY_EVENTS)
