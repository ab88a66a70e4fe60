"""Asking a captcha service whether a token is good: Turnstile, or any of its form."""

from __future__ import annotations

import time
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import orjson
import structlog
from django.conf import settings

from apps.queues.outbound import OutboundError, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

# A service that is away is not asked again for so long: each question holds a web server's thread.
HOLD_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024
OK = 200
# What these say is our mistake or theirs, and nothing about the person.
NOT_THEIR_FAULT = frozenset(
    {"missing-input-secret", "invalid-input-secret", "bad-request", "internal-error"}
)


class Verdict(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Verifier:
    """One service. Safe for threads; never raises, never waits longer than `total_seconds`."""

    def __init__(
        self, url: str, *, total_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(url)
        self._path = parts.path or "/"
        self._transport = Transport(
            f"{parts.scheme}://{parts.netloc}",
            connect_timeout_s=total_seconds,
            read_timeout_s=total_seconds,
            total_timeout_s=total_seconds,
            max_answer_bytes=ANSWER_BYTES,
        )
        self._clock = clock
        self._held_until = float("-inf")

    def verify(self, *, secret: str, token: str, ip: str | None) -> Verdict:
        """`UNKNOWN` where the service is away or cannot tell."""
        if self._clock() < self._held_until:
            return Verdict.UNKNOWN
        form = {"secret": secret, "response": token, **({"remoteip": ip} if ip else {})}
        try:
            answer = self._transport.request(
                "POST",
                self._path,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
            )
        except OutboundError as error:
            return self._away(error.reason)
        if answer.status != OK:
            return self._away(f"status {answer.status}")
        return self._read(answer.body)

    def _read(self, body: bytes) -> Verdict:
        try:
            told = orjson.loads(body)
            passed, codes = told["success"], set(told.get("error-codes") or ())
        except (ValueError, TypeError, KeyError, AttributeError):
            return self._away("unreadable")
        if passed is True:
            return Verdict.PASSED
        if faults := sorted(codes & NOT_THEIR_FAULT):
            log.error("captcha_not_verified", codes=faults)
            return Verdict.UNKNOWN
        return Verdict.REFUSED

    def _away(self, reason: str) -> Verdict:
        self._held_until = self._clock() + HOLD_SECONDS
        log.warning("captcha_service_away", reason=reason)
        return Verdict.UNKNOWN


def verify(*, secret: str, token: str, ip: str | None) -> Verdict:
    return _verifier(settings.CAPTCHA_VERIFY_URL, settings.CAPTCHA_TOTAL_SECONDS).verify(
        secret=secret, token=token, ip=ip
    )


@cache
def _verifier(url: str, total_seconds: float) -> Verifier:
    return Verifier(url, total_seconds=total_seconds)
