"""Asking a provider about its domains like every other call: at its slot, under its breaker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from apps.campaigns.checking import DomainsUnknownError
from apps.mail.resend.trouble import reporting
from apps.mail.sending import Door
from apps.queues.limiting import Held
from apps.queues.limiting.slots import HeldReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import ProviderAccount

T = TypeVar("T")

# An operator waits for the answer; a busy account at 2 requests a second has a slot by then.
LONGEST_WAIT_SECONDS = 15.0
_WHY = {
    HeldReason.PACED: "all of the account's coming slots are taken",
    HeldReason.FROZEN: "the provider told this account to wait",
    HeldReason.BROKEN: "the provider fails, and the account's calls are held back",
}


class PacedDomains:
    """The account's client, which waits for the breaker's permit and a slot of the limiter."""

    def __init__(self, account: ProviderAccount) -> None:
        self._account = account

    def verified_domains(self) -> dict[str, str]:
        """Status by domain. Raises `DomainsUnknownError` and the client's `ResendFailure`s."""
        ends_at = time.monotonic() + LONGEST_WAIT_SECONDS
        door = Door.of(self._account)
        with _granted(door.admit, ends_at) as permit:
            while not _granted(door.limiter.reserve, ends_at).wait():
                pass
            with reporting(permit):
                return door.client.verified_domains()


def _granted(ask: Callable[[], T | Held], ends_at: float) -> T:
    while isinstance(answer := ask(), Held):
        if time.monotonic() + answer.retry_in_s > ends_at:
            raise DomainsUnknownError(_WHY[answer.reason])
        time.sleep(answer.retry_in_s)
    return answer
