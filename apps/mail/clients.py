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
    return _limiter(os.getpid(), account.pk, account.rate_limit)


@lru_cache(maxsize=32)
def _client(_pid: int, api_key: str, base_url: str) -> ResendClient:
    return ResendClient(
        api_key=api_key,
        base_url=base_url,
        connect_timeout_s=settings.PROVIDER_CONNECT_SECONDS,
        read_timeout_s=settings.PROVIDER_READ_SECONDS,
        total_timeout_s=settings.PROVIDER_TOTAL_SECONDS,
    )


@lru_cache(maxsize=32)
def _limiter(pid: int, account_id: int, rate_limit: float) -> Limiter:
    return Limiter(
        _broker(pid),
        account_key=f"account:{account_id}",
        default_limit=rate_limit,
        worker_id=f"{socket.gethostname()}:{pid}",
        live_workers_floor=settings.LIMITER_WORKER_FLOOR,
    )


@lru_cache(maxsize=1)
def _broker(_pid: int) -> Redis:
    return open_broker(settings.REDIS_URL)
