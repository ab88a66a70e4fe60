"""One try of one delivery: the request, and what its end means. Knows nothing of the database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from apps.queues.outbound import Answer, OutboundError, Transport
from apps.station.outgoing.destinations import admit, read_url
from apps.station.outgoing.errors import InvalidEndpointError
from apps.station.outgoing.models import SNIPPET_LIMIT
from apps.station.outgoing.signing import sign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

USER_AGENT = "FluxStation-Webhooks/1.0"
CONNECT_SECONDS = 5.0
ANSWER_BYTES = 16 * 1024
# What a receiver may ask us to wait for.
LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
GONE = 410
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)


class Ending(StrEnum):
    """What became of a try. `throttled`: the receiver said when to come again."""

    DELIVERED = "delivered"
    FAILED = "failed"
    THROTTLED = "throttled"
    GONE = "gone"


@dataclass(frozen=True)
class Outcome:
    """`error` is empty where it was delivered; `snippet` is the beginning of the answer."""

    ending: Ending
    status: int | None = None
    error: str = ""
    latency_ms: float = 0.0
    snippet: str = ""
    retry_after_s: float = 0.0


def webhook_id(uid: UUID) -> str:
    """What receivers recognise a repetition by."""
    return f"evt_{uid.hex}"


def body_of(*, type: str, occurred_at: datetime, data: Mapping[str, Any]) -> bytes:  # noqa: A002 - the field's name
    """The JSON that is signed and posted."""
    moment = occurred_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return orjson.dumps(
        {"type": type, "timestamp": moment.replace("+00:00", "Z"), "data": dict(data)}
    )


def call(*, url: str, secrets: Sequence[str], uid: UUID, body: bytes) -> Outcome:
    """Posts once, within FLUX_WEBHOOK_TOTAL_SECONDS, and never follows a redirect."""
    signature = sign(body, webhook_id=webhook_id(uid), timestamp=int(time.time()), keys=secrets)
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signature}
    try:
        destination = read_url(url)
        answer = _transport(destination.base_url).request(
            "POST", destination.target, headers=headers, body=body
        )
    except InvalidEndpointError as error:  # kept while the settings allowed more
        return Outcome(Ending.FAILED, error=str(error))
    except OutboundError as error:
        return Outcome(
            Ending.FAILED,
            error=_REASONS.get(error.reason, error.reason),
            latency_ms=error.latency_ms,
        )
    return read_answer(answer, now=datetime.now(tz=UTC))


def read_answer(answer: Answer, *, now: datetime) -> Outcome:
    """The status decides; the body is only for people to read."""
    ending, error, wait = _judge(answer, now)
    return Outcome(
        ending=ending,
        status=answer.status,
        error=error,
        latency_ms=answer.latency_ms,
        snippet=_snippet(answer.body),
        retry_after_s=wait,
    )


def _judge(answer: Answer, now: datetime) -> tuple[Ending, str, float]:
    if answer.status in _SUCCESS:
        return Ending.DELIVERED, "", 0.0
    error = f"answered {answer.status}"
    if answer.status == GONE:
        return Ending.GONE, error, 0.0
    if answer.status in _REDIRECT:
        return Ending.FAILED, f"{error}: redirects are not followed", 0.0
    wait = retry_after_seconds(answer.headers.get("retry-after", ""), now=now)
    if wait is not None and answer.status in {TOO_MANY_REQUESTS, UNAVAILABLE}:
        return Ending.THROTTLED, error, wait
    return Ending.FAILED, error, 0.0


def retry_after_seconds(value: str, *, now: datetime) -> float | None:
    """Seconds or a date; None where it is neither, at most a day."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
        until = moment.replace(tzinfo=moment.tzinfo or UTC)
        return min(max(0.0, (until - now).total_seconds()), LONGEST_RETRY_AFTER_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return None


_REASONS = {
    "dns": "the name of the host was not found",
    "address": "the host leads into a private network",
    "refused": "the connection was refused",
    "unreachable": "the host cannot be reached",
    "connect_timeout": "no connection in time",
    "tls": "TLS failed: is the certificate valid?",
    "timeout": "no answer in time",
    "deadline": "no answer in time",
    "reset": "the connection broke",
    "disconnected": "the connection was closed without an answer",
    "garbled": "the answer was no HTTP",
}


def _snippet(body: bytes) -> str:
    text = body[: SNIPPET_LIMIT * 4].decode("utf-8", "replace")
    shown = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(shown.split())[:SNIPPET_LIMIT]


@lru_cache(maxsize=64)
def _transport(base_url: str) -> Transport:
    """Connections are kept per host; safe for threads, and for forks."""
    total = settings.WEBHOOK_TOTAL_SECONDS
    return Transport(
        base_url,
        connect_timeout_s=min(CONNECT_SECONDS, total),
        read_timeout_s=total,
        total_timeout_s=total,
        max_answer_bytes=ANSWER_BYTES,
        admit=admit,
        cut_answers=True,
    )
