"""Provider accounts for the report on health: what of their budget is used, and their breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from apps.brands.models import ProviderAccount
from apps.mail import standing
from apps.mail.clients import breaker_for, bucket_of
from apps.queues.health.reports import UNKNOWN, AccountHealth
from apps.queues.names import Queue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from apps.queues.breaking import Standing
    from apps.queues.health.asking import Inquiry
    from apps.queues.health.reports import Unknown
    from apps.queues.limiting import Use

T = TypeVar("T", "Use", "Standing")

MAIL_QUEUES = (Queue.SINGLE_EMAIL, Queue.BATCH_EMAIL, Queue.SEGMENTS)
# Each costs two questions to the broker.
LOOKED_AT_MOST = 50


def mail_accounts(inquiry: Inquiry) -> Iterable[AccountHealth]:
    """Every account by name; what the broker cannot tell for all workers is unknown."""
    accounts = ProviderAccount.objects.order_by("name").defer("api_key", "webhook_secret")
    return [_health_of(account, inquiry) for account in accounts[:LOOKED_AT_MOST]]


def _health_of(account: ProviderAccount, inquiry: Inquiry) -> AccountHealth:
    bucket = bucket_of(account)
    use = inquiry.ask(f"the limiter of {account}", lambda: standing.usage_of(account))
    breaker = inquiry.ask(f"the breaker of {account}", lambda: breaker_for(account).look())
    return AccountHealth(
        bucket=bucket,
        name=account.name,
        queues=MAIL_QUEUES,
        stopped_reason=account.stopped_reason,
        limiter=_if_shared(use, f"the limiter of {account}", inquiry),
        breaker=_if_shared(breaker, f"the breaker of {account}", inquiry),
    )


def _if_shared(found: T | Unknown, name: str, inquiry: Inquiry) -> T | Unknown:
    """What this process knows alone is nothing to tell about all of them."""
    if isinstance(found, str):
        return found
    if not found.shared:
        inquiry.warnings.append(f"{name} could not be read (the broker does not answer)")
        return UNKNOWN
    return found
