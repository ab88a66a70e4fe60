"""`manage.py breaker` and `manage.py hold`, as the person on call uses them."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from apps.brands.models import ProviderAccount
from apps.mail.clients import breaker_for, limiter_for
from apps.queues import holding
from apps.queues.breaking import Permit
from apps.queues.broker import process_broker
from apps.queues.limiting import CallClass, open_broker

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


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def open_breaker(account: ProviderAccount, settings: Settings) -> None:
    for _ in range(settings.BREAKER_RUN):
        permit = breaker_for(account).admit()
        assert isinstance(permit, Permit)
        permit.failed()


def test_list_shows_breaker_and_budget(
    account: ProviderAccount, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    open_breaker(account, settings)
    limiter_for(account).reserve(call_class=CallClass.CAMPAIGN)
    limiter_for(account).freeze(30)
    limiter_for(account).reserve(call_class=CallClass.CAMPAIGN)

    table = run("breaker", "list")

    assert "open" in table
    assert "0 of 0, 10 in a row" in table
    assert "0.2 of 10/s" in table
    assert "30 s" in table
    assert "1 campaign" in table


def test_reset_closes_it(account: ProviderAccount, settings: Settings) -> None:
    open_breaker(account, settings)

    told = run("breaker", "reset", "main")

    assert told == "The breaker of main is closed.\n"
    assert isinstance(breaker_for(account).admit(), Permit)


def test_reset_of_an_unknown_account_says_where_to_look(db: None) -> None:
    with pytest.raises(CommandError, match="account list"):
        run("breaker", "reset", "nobody")


def test_holds_are_listed_and_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    table = run("hold", "list")

    assert all(queue in table for queue in ("control", "batch-email", "segments"))
    assert "closed" in table
    assert run("hold", "reset", "segments") == "The queue segments works again.\n"


def test_reset_of_an_unknown_queue_lists_the_known_ones() -> None:
    with pytest.raises(CommandError, match="there are: control"):
        run("hold", "reset", "segmnts")


def test_broker_that_is_away_makes_it_unknown(
    account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = open_broker("redis://127.0.0.1:1/0")
    monkeypatch.setattr(holding, "process_broker", lambda: nowhere)
    monkeypatch.setattr(holding, "_gates", {})

    table = run("hold", "list")

    assert "unknown" in table
    with pytest.raises(CommandError, match="does not answer"):
        run("hold", "reset", "segments")
