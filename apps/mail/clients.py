"""The provider client and the limiter of an account, kept by each process between batches."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from apps.mail.resend import ResendClient
from apps.queues.limiting import Limiter, open_broker

if TYPE_CHECKING:
    from redis import Redis

    from apps.brands.models import ProviderAccount


def client_for(account: ProviderAccount) -> ResendClient:
    return _client(os.getpid(), account.api_key, settings.RESEND_API_URL)


def limiter_for(account: ProviderAccount) -> Limiter:
    """The account's limiter in this process.

    It learns a new limit by itself and must not forget its last slots for it, so that the row's
    limit counts only where it begins.
    """
    key = os.getpid(), account.pk
    if key not in _limiters:
        _limiters[key] = Limiter(
            _broker(os.getpid()),
            account_key=f"account:{account.pk}",
            default_limit=account.rate_limit,
            worker_id=f"{socket.gethostname()}:{os.getpid()}",
            live_workers_floor=settings.LIMITER_WORKER_FLOOR,
        )
    return _limiters[key]


_limiters: dict[tuple[int, int], Limiter] = {}


@lru_cache(maxsize=32)
def _client(_pid: int, api_key: str, base_url: str) -> ResendClient:
    return ResendClient(
        api_key=api_key,
        base_url=base_url,
        connect_timeout_s=settings.PROVIDER_CONNECT_SECONDS,
        read_timeout_s=settings.PROVIDER_READ_SECONDS,
        total_timeout_s=settings.PROVIDER_TOTAL_SECONDS,
    )


@lru_cache(maxsize=1)
def _broker(_pid: int) -> Redis:
    return open_broker(settings.REDIS_URL)
