"""What waits is counted on indexes, and counted right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from redis.exceptions import ResponseError

from apps.mail.models import Batch
from apps.queues.health.backlogs import ask_backlog
from apps.queues.names import Queue
from apps.queues.sweeping import free_places
from apps.station.queues_desk.backlogs import STATEMENTS
from apps.station.queues_desk.ownership import brand_of_batch
from tests.integration.mail.conftest import make_house

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House

pytestmark = pytest.mark.django_db

GROWING = ("mail_batch", "mail_message", "mail_deliveryevent", "station_webhookdelivery")


@pytest.fixture
def house() -> House:
    return make_house()


@pytest.mark.parametrize("place", list(STATEMENTS), ids=lambda place: f"{place[0]}: {place[1]}")
def test_growing_tables_are_counted_on_an_index(place: tuple[Queue, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + STATEMENTS[place])
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert [name for name in GROWING if f"Seq Scan on {name}" in plan] == [], plan


@pytest.mark.parametrize("place", list(STATEMENTS), ids=lambda place: f"{place[0]}: {place[1]}")
def test_empty_queue_has_nothing_due(place: tuple[Queue, str]) -> None:
    backlog = ask_backlog(STATEMENTS[place])

    assert (backlog.due, backlog.oldest_due_at, backlog.in_progress) == (0, None, 0)


def test_batches_are_due_until_their_mailing_pauses_or_their_account_stops(house: House) -> None:
    mailing = house.planned(250)
    statement = STATEMENTS[Queue.BATCH_EMAIL, "batches of campaigns"]
    backlog = ask_backlog(statement)
    assert backlog.due == 3
    assert backlog.oldest_due_at is not None

    Batch.objects.filter(mailing=mailing).update(due_at="2999-01-01T00:00:00Z")
    assert ask_backlog(statement).due == 0
    Batch.objects.filter(mailing=mailing).update(due_at="2020-01-01T00:00:00Z")
    assert ask_backlog(statement).due == 3
    type(mailing).objects.filter(pk=mailing.pk).update(state="paused", state_reason="x")

    assert ask_backlog(statement).due == 0


def test_dead_batch_belongs_to_the_brand_of_its_mailing(house: House) -> None:
    mailing = house.planned(1)
    batch = Batch.objects.get(mailing=mailing)

    assert brand_of_batch(batch.pk) == house.brand.pk
    assert brand_of_batch(batch.pk + 1000) is None


def test_queue_that_cannot_be_measured_still_gets_a_wake_up() -> None:
    class Refusing:
        def llen(self, _name: str) -> int:
            raise ResponseError("WRONGTYPE")

    assert free_places("control", Refusing()) == 1  # type: ignore[arg-type]
