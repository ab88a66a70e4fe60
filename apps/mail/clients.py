"""An account's client, limiter and breaker, kept by each process between batches."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from apps.mail.resend import ResendClient
from apps.queues.breaking import Breaker, Rules
from apps.queues.broker import process_broker
from apps.queues.limiting import Limiter

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount


def client_for(account: ProviderAccount) -> ResendClient:
    return _client(os.getpid(), account.api_key, settings.RESEND_API_URL)


def bucket_of(account: ProviderAccount) -> str:
    """What limiter, breaker and metrics call the account; those who share it share its budget."""
    return f"account:{account.pk}"


def limiter_for(account: ProviderAccount) -> Limiter:
    """The account's limiter in this process.

    It learns a new limit by itself and must not forget its last slots for it, so that the row's
    limit counts only where it begins.
    """
    key = os.getpid(), account.pk
    if key not in _limiters:
        _limiters[key] = Limiter(
            process_broker(),
            account_key=bucket_of(account),
            default_limit=account.rate_limit,
            worker_id=f"{socket.gethostname()}:{os.getpid()}",
            live_workers_floor=settings.LIMITER_WORKER_FLOOR,
            late_s=settings.LIMITER_LATE_MS / 1000,
        )
    return _limiters[key]


_limiters: dict[tuple[int, int], Limiter] = {}


def breaker_for(account: ProviderAccount) -> Breaker:
    """The account's breaker in this process; the state is everybody's."""
    key = os.getpid(), account.pk
    if key not in _breakers:
        _breakers[key] = Breaker(process_broker(), bucket_of(account), _rules())
    return _breakers[key]


_breakers: dict[tuple[int, int], Breaker] = {}


def _rules() -> Rules:
    return Rules(
        window_s=settings.BREAKER_WINDOW_SECONDS,
        least_calls=settings.BREAKER_LEAST_CALLS,
        error_share=settings.BREAKER_ERROR_SHARE,
        run=settings.BREAKER_RUN,
        hold_s=settings.BREAKER_HOLD_SECONDS,
        longest_hold_s=settings.BREAKER_LONGEST_HOLD_SECONDS,
        probe_s=settings.BREAKER_PROBE_SECONDS,
    )


@lru_cache(maxsize=32)
def _client(_pid: int, api_key: str, base_url: str) -> ResendClient:
    return ResendClient(
        api_key=api_key,
        base_url=base_url,
        connect_timeout_s=settings.PROVIDER_CONNECT_SECONDS,
        read_timeout_s=settings.PROVIDER_READ_SECONDS,
        total_timeout_s=settings.PROVIDER_TOTAL_SECONDS,
    )
