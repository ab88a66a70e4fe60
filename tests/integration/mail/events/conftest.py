from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.mail.events import receiving
from apps.mail.events.endpoints import endpoints
from tests.integration.mail.conftest import make_house
from tests.integration.mail.events.deliveries import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.brands.models import ProviderAccount
    from tests.integration.mail.conftest import House


@pytest.fixture(autouse=True)
def _endpoints_are_looked_up() -> None:
    """As in a process that has just started."""
    endpoints.forget()


@pytest.fixture(autouse=True)
def _no_pause_between_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the last wake-up were long ago."""
    monkeypatch.setattr(receiving, "_woken_at", float("-inf"))


@pytest.fixture
def account(house: House) -> ProviderAccount:
    """The house's account, with a secret for its webhooks."""
    house.account.webhook_secret = SECRET
    house.account.save()
    return house.account


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    """A house that other connections see too.

    Django empties only the tables that it manages after such a test, not the partitioned ones.
    """
    yield make_house()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE mail_message, mail_deliveryevent, mail_open, mail_click")
