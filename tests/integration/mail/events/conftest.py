from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.mail.events import receiving
from tests.integration.mail.events.deliveries import SECRET

if TYPE_CHECKING:
    from apps.brands.models import ProviderAccount
    from tests.integration.mail.conftest import House


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
