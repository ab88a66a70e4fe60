"""A brand that mails, and a receiver that wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.queues import enqueueing
from apps.station.outgoing import endpoints
from apps.station.outgoing.calling import _transport
from apps.station.outgoing.collecting import ensure_cursors
from apps.station.outgoing.event_types import EventType
from tests.integration.mail.conftest import House, make_house
from tests.integration.outgoing.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.station.outgoing.models import WebhookEndpoint


@pytest.fixture(autouse=True)
def _lost_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here depends on one: tests call what a woken worker would."""
    monkeypatch.setattr(enqueueing, "publish", lambda *_, **__: 0)


@pytest.fixture
def house(db: None) -> House:
    """A brand, an account and a sender, and cursors that stand where the tables end."""
    ensure_cursors()
    return make_house()


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    """A house that other connections see too.

    Django empties only the tables that it manages after such a test, not the partitioned ones.
    """
    ensure_cursors()
    yield make_house()
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE mail_message, mail_deliveryevent, station_webhookevent,"
            " station_webhookdelivery"
        )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
    _transport.cache_clear()


@pytest.fixture
def endpoint(house: House, receiver: Receiver) -> WebhookEndpoint:
    """Wants everything."""
    return add_endpoint(house, receiver.url)


def add_endpoint(house: House, url: str, *types: str) -> WebhookEndpoint:
    return endpoints.add(
        brand_id=house.brand.pk, url=url, event_types=types or EventType.values, actor="a test"
    )
