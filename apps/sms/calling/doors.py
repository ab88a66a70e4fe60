"""An account's client, window and breaker, kept by each process between wake-ups."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

from apps.queues.breaking import Breaker, Rules
from apps.queues.broker import process_broker
from apps.queues.windows import Limits, Window
from apps.sms.calling.loop import Caller, process_caller
from apps.sms.calling.recording import evidence
from apps.sms.lime import Credentials, LimeClient

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount


@dataclass(slots=True)
class Door:
    """Everything that texts of one account need to leave. Not safe for threads."""

    account_id: int
    client: LimeClient
    caller: Caller
    window: Window
    breaker: Breaker


def door_of(account: ProviderAccount) -> Door:
    """The account's door in this process, with its limits as they are set now."""
    caller = process_caller()
    window = _window(account.pk)
    window.limits = limits_of(account_id=account.pk)
    credentials = Credentials(account.username, account.api_key)
    return Door(
        account_id=account.pk,
        client=LimeClient(caller.pool.origin, credentials),
        caller=caller,
        window=window,
        breaker=_breaker(account.pk),
    )


# Brands that share an account may have set different limits: the narrowest holds for all.
_LIMITS = """
SELECT min(coalesce(own.in_flight, station.in_flight, 50)),
       max(coalesce(own.spacing_ms, station.spacing_ms, 20)),
       min(coalesce(own.requests_per_minute, station.requests_per_minute, 1000))
  FROM brands_brand brand
  LEFT JOIN sms_textconfig own ON own.brand_id = brand.id
  LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
 WHERE coalesce(own.account_id, station.account_id) = %s
"""


def limits_of(*, account_id: int) -> Limits:
    """What the account bears, by the settings of the brands that use it; the defaults of none."""
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS, [account_id])
        in_flight, spacing_ms, per_minute = cursor.fetchone()
    if in_flight is None:
        return Limits()
    return Limits(in_flight=in_flight, apart_s=spacing_ms / 1000, per_minute=per_minute)


def bucket_of(account_id: int) -> str:
    """What window, breaker and metrics call the account."""
    return f"account:{account_id}"


def open_window(account_id: int, limits: Limits) -> Window:
    """A window of the account for a worker of its own; whoever opens one has it `leave`."""
    return Window(
        process_broker(),
        bucket_of(account_id),
        # Not the process id alone: one that follows a killed one must not be taken for it.
        f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        limits,
        evidence=partial(evidence, account_id=account_id),
        workers_floor=settings.LIMITER_WORKER_FLOOR,
    )


def _window(account_id: int) -> Window:
    key = os.getpid(), account_id
    if key not in _windows:
        _windows[key] = open_window(account_id, Limits())
    return _windows[key]


_windows: dict[tuple[int, int], Window] = {}


def _breaker(account_id: int) -> Breaker:
    key = os.getpid(), account_id
    if key not in _breakers:
        rules = Rules(
            window_s=settings.BREAKER_WINDOW_SECONDS,
            least_calls=settings.BREAKER_LEAST_CALLS,
            error_share=settings.BREAKER_ERROR_SHARE,
            run=settings.BREAKER_RUN,
            hold_s=settings.BREAKER_HOLD_SECONDS,
            longest_hold_s=settings.BREAKER_LONGEST_HOLD_SECONDS,
            probe_s=settings.BREAKER_PROBE_SECONDS,
        )
        _breakers[key] = Breaker(process_broker(), bucket_of(account_id), rules)
    return _breakers[key]


_breakers: dict[tuple[int, int], Breaker] = {}
