"""How accounts stand, as admin, health and API read it; on the suite's own broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.brands.models import AuditEntry, ProviderAccount
from apps.mail import standing
from apps.mail.clients import breaker_for, limiter_for
from apps.queues.breaking import Permit, Phase
from apps.queues.broker import process_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings


@pytest.fixture
def account(db: None) -> Iterator[ProviderAccount]:
    account = ProviderAccount.objects.create(name="main", api_key="re_test", rate_limit=10)
    yield account
    process_broker().delete(
        f"breaker:{{account:{account.pk}}}", f"limiter:{{account:{account.pk}}}"
    )


def open_breaker(account: ProviderAccount, settings: Settings) -> None:
    for _ in range(settings.BREAKER_RUN):
        permit = breaker_for(account).admit()
        assert isinstance(permit, Permit)
        permit.failed()


def test_quiet_account_is_closed_and_unused(account: ProviderAccount) -> None:
    (one,) = standing.states()

    assert (one.account_id, one.name) == (account.pk, "main")
    assert one.breaker.phase is Phase.CLOSED
    assert one.breaker.shared
    assert (one.use.limit, one.use.frozen_for_s, one.use.shared) == (10, 0, True)


def test_account_in_trouble_shows_it(account: ProviderAccount, settings: Settings) -> None:
    open_breaker(account, settings)
    limiter_for(account).freeze(30)

    (one,) = standing.states()

    assert one.breaker.phase is Phase.OPEN
    assert one.breaker.error_run == settings.BREAKER_RUN
    assert 0 < one.breaker.held_for_s <= settings.BREAKER_HOLD_SECONDS
    assert 25 < standing.usage()[account.pk].frozen_for_s <= 30


def test_breaker_reset_by_hand_lets_calls_through(
    account: ProviderAccount, settings: Settings
) -> None:
    open_breaker(account, settings)

    after = standing.reset_breaker(account_id=account.pk, by="user:5 anna")

    assert after.phase is Phase.CLOSED
    entry = AuditEntry.objects.get(table_name="breaker")
    assert (entry.actor, entry.object_id) == ("user:5 anna", str(account.pk))
    assert (entry.before, entry.after) == ({"phase": "open"}, {"phase": "closed"})
    assert isinstance(breaker_for(account).admit(), Permit)
