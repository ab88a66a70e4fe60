"""How each provider account stands: its breaker and its budget. For admin, health and API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from apps.brands.audit import record_by_hand
from apps.brands.models import ProviderAccount
from apps.mail.clients import breaker_for, limiter_for

if TYPE_CHECKING:
    from apps.queues.breaking import Standing
    from apps.queues.limiting import Use

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AccountStanding:
    """An account at this moment.

    Where `shared` of a part is False, the broker does not answer: the part is then only what this
    process knows, and is best shown as unknown.
    """

    account_id: int
    name: str
    breaker: Standing
    use: Use


def states() -> list[AccountStanding]:
    """Every account, by name. Asks the broker twice for each and changes nothing."""
    return [
        AccountStanding(account.pk, account.name, breaker_for(account).look(), usage_of(account))
        for account in ProviderAccount.objects.order_by("name")
    ]


def usage() -> dict[int, Use]:
    """The use of each account's budget by the account's id."""
    return {account.pk: usage_of(account) for account in ProviderAccount.objects.all()}


def usage_of(account: ProviderAccount) -> Use:
    return limiter_for(account).peek()


def reset_breaker(*, account_id: int, by: str) -> Standing:
    """Closes the account's breaker: `by` knows that the provider is well again.

    Raises `ProviderAccount.DoesNotExist`. Where the broker is away (`shared` is False in what is
    returned), only this process heard of it.
    """
    account = ProviderAccount.objects.get(pk=account_id)
    breaker = breaker_for(account)
    before = breaker.look()
    standing = breaker.reset()
    record_by_hand(
        actor=by,
        subject="breaker",
        subject_id=account_id,
        before={"phase": before.phase},
        after={"phase": standing.phase},
    )
    log.warning("breaker_reset_by_hand", account=account_id, by=by)
    return standing
