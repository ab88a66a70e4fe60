"""Where events are posted: the account behind a token, kept for some seconds by each process.

An event costs less than looking up its account would, and decrypting the secrets again.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.brands.models import ProviderAccount
from apps.mail.events.errors import UnknownEndpointError

if TYPE_CHECKING:
    from collections.abc import Callable

# A new secret is known so soon; the provider delivers again what comes in between, and two secrets
# are valid at once.
KEPT_SECONDS = 5.0
# Strangers guess: what they try is remembered more shortly, and not for ever.
REFUSED_SECONDS = 2.0
KEPT_AT_MOST = 1_000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True)
class Endpoint:
    """An account's id, and the secrets that its events may be signed with."""

    account_id: int
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, account: ProviderAccount) -> Endpoint:
        return cls(account.pk, (account.webhook_secret, account.previous_webhook_secret))


class Endpoints:
    """Safe for threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Endpoint | None]] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> Endpoint:
        """Raises `UnknownEndpointError`."""
        until, endpoint = self._kept.get(token, (0.0, None))
        if self._clock() >= until:
            endpoint = self._look_up(token)
        if endpoint is None:
            raise UnknownEndpointError("There is nothing here.")
        return endpoint

    def forget(self) -> None:
        """The next event looks its account up."""
        with self._lock:
            self._kept.clear()

    def _look_up(self, token: str) -> Endpoint | None:
        if not _TOKEN.fullmatch(token):
            return None
        account = ProviderAccount.objects.filter(webhook_token=token).first()
        endpoint = None if account is None else Endpoint.of(account)
        kept = REFUSED_SECONDS if endpoint is None else KEPT_SECONDS
        with self._lock:
            if len(self._kept) >= KEPT_AT_MOST:
                self._kept.clear()
            self._kept[token] = self._clock() + kept, endpoint
        return endpoint


endpoints = Endpoints()
