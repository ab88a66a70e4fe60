"""How often somebody may call: buckets for all web processes together, kept in the broker.

With the broker away each process keeps buckets of its own: requests are answered, and the limit
then holds per process.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from apps.brands.api.buckets import Allowance, allowance_of, bucket_key
from apps.queues.limiting.broker_link import BrokerLink, open_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from apps.brands.api.buckets import Bucket, Caller

log = structlog.get_logger(__name__)

MICROS = 1_000_000
BROKER_TIMEOUT_S = 0.2
# Strangers have buckets too, and there are many of them: full ones are forgotten.
MOST_OWN_BUCKETS = 10_000
_SCRIPT = (Path(__file__).parent / "rate.lua").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Verdict:
    """Whether the request may pass, and what the headers tell; seconds are rounded up."""

    granted: bool
    limit: int
    remaining: int
    wait_seconds: int
    reset_seconds: int

    @classmethod
    def read(cls, raw: Sequence[int], allowance: Allowance) -> Verdict:
        """From what `rate.lua` and `OwnBuckets` answer."""
        granted, remaining, wait_us, reset_us = (int(one) for one in raw)
        return cls(
            granted=bool(granted),
            limit=allowance.burst,
            remaining=remaining,
            wait_seconds=math.ceil(wait_us / MICROS),
            reset_seconds=math.ceil(reset_us / MICROS),
        )

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(self.reset_seconds),
        }


@dataclass
class OwnBuckets:
    """The same arithmetic as `rate.lua`, for this process alone."""

    clock: Callable[[], float] = time.monotonic
    _full_at: dict[str, float] = field(default_factory=dict)

    def take(self, bucket: str, allowance: Allowance) -> tuple[int, int, int, int]:
        now = self.clock() * MICROS
        interval, room = allowance.interval_us, allowance.burst * allowance.interval_us
        full = self._full_at[bucket] = min(max(self._full_at.get(bucket, 0.0), now), now + room)
        due = full + interval
        if len(self._full_at) > MOST_OWN_BUCKETS:
            self._full_at = {one: at for one, at in self._full_at.items() if at > now}
        if due - room > now:
            return 0, 0, math.ceil(due - room - now), math.ceil(full - now)
        self._full_at[bucket] = due
        return 1, math.floor((now + room - due) / interval), 0, math.ceil(due - now)


class KeyThrottle:
    """Safe for threads. Asks the broker; while that is away, `OwnBuckets`."""

    def __init__(
        self, client: Redis, *, own: OwnBuckets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = client.register_script(_SCRIPT)
        self._own = own
        self._clock = clock
        self._link = BrokerLink(client)
        self._lock = threading.Lock()

    def take(self, bucket: str, allowance: Allowance) -> Verdict:
        raw = self._ask(bucket, allowance) if self._link.may_ask(self._clock()) else None
        if raw is None:
            with self._lock:
                raw = self._own.take(bucket, allowance)
        return Verdict.read(raw, allowance)

    def _ask(self, bucket: str, allowance: Allowance) -> Sequence[int] | None:
        started = self._clock()
        try:
            raw = self._run(keys=[bucket], args=[allowance.interval_us, allowance.burst])
        except RedisError as error:
            now = self._clock()
            if self._link.failed(now=now, cost_s=now - started):
                log.warning("api_limits_per_process", error=type(error).__name__)
            return None
        self._link.answered()
        return cast("Sequence[int]", raw)


@cache
def _throttle(url: str) -> KeyThrottle:
    return KeyThrottle(open_broker(url, timeout_s=BROKER_TIMEOUT_S), own=OwnBuckets())


def take(bucket: Bucket, caller: Caller) -> Verdict:
    """Takes one request from the caller's allowance in this bucket."""
    allowance = allowance_of(bucket, caller)
    return _throttle(settings.REDIS_URL).take(bucket_key(bucket, caller), allowance)
