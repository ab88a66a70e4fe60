"""This process's client of the broker, for all that is shared between workers."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from apps.queues.limiting.broker_link import open_broker

if TYPE_CHECKING:
    from redis import Redis


def process_broker() -> Redis:
    """Fails fast; never shared across a fork."""
    return _broker(os.getpid(), settings.REDIS_URL)


@lru_cache(maxsize=4)
def _broker(_pid: int, url: str) -> Redis:
    return open_broker(url)
