"""Asking a provider about its domains within the account's rate limit, like every other call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from apps.campaigns.checking import DomainsUnknownError
from apps.mail.clients import client_for, limiter_for
from apps.queues.limiting import Held

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount

# An operator waits for the answer; a busy account at 2 requests a second has a slot by then.
LONGEST_WAIT_SECONDS = 15.0


class PacedDomains:
    """The account's client, which waits for a slot of its limiter first."""

    def __init__(self, account: ProviderAccount) -> None:
        self._account = account

    def verified_domains(self) -> dict[str, str]:
        """Status by domain. Raises `DomainsUnknownError` and the client's `ResendFailure`s."""
        ends_at = time.monotonic() + LONGEST_WAIT_SECONDS
        limiter = limiter_for(self._account)
        while True:
            slot = limiter.reserve()
            if isinstance(slot, Held):
                if time.monotonic() + slot.retry_in_s > ends_at:
                    raise DomainsUnknownError(f"the account's rate limit is {slot.reason}")
                time.sleep(slot.retry_in_s)
            elif slot.wait():
                return client_for(self._account).verified_domains()
