"""Ids are drawn in one order and committed in another; nobody may be passed over for that."""

from __future__ import annotations

import random
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connection

from apps.mail.models import Message
from apps.queues import horizon
from apps.station.outgoing import collecting
from apps.station.outgoing.models import WebhookCursor, WebhookEvent
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.outgoing.conftest import add_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.mail.conftest import House

EVENTS = "mail_deliveryevent"

_ARRIVE = """
INSERT INTO mail_deliveryevent (month, account_id, provider_event_id, type, occurred_at, payload)
VALUES (date_trunc('month', now())::date, %s, %s, 'email.delivered', now(), %s)
RETURNING id
"""


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon.settled_until, "__kwdefaults__", {"patience_seconds": 0.1})


@contextmanager
def another_connection() -> Iterator[psycopg.Connection]:
    """Outside the test's own, with its transaction under the test's control."""
    parameters = connection.get_connection_params()
    kept = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(**kept) as other:
        yield other


def arrive_by(other: psycopg.Connection, house: House, message: Message) -> int:
    """Another process stores an event, and has not committed yet."""
    payload = body("email.delivered", message).decode()
    row = other.execute(_ARRIVE, [house.account.pk, uuid.uuid4().hex, payload]).fetchone()
    assert row is not None
    return int(row[0])


def told_keys() -> list[str]:
    return sorted(WebhookEvent.objects.values_list("key", flat=True))


def position() -> int:
    return WebhookCursor.objects.get(source=EVENTS).position


def test_event_that_is_committed_after_a_later_one_is_not_passed_over(
    committed_house: House,
) -> None:
    add_endpoint(committed_house, "https://hooks.example/in", "message.delivered")
    message = Message.objects.get(mailing=committed_house.planned(1))
    with another_connection() as slow:
        early = arrive_by(slow, committed_house, message)
        arrive(committed_house.account, body("email.delivered", message))
        collecting.collect()
        held = told_keys()
        slow.commit()

    collecting.collect()

    assert held == []
    assert told_keys() == sorted([f"event:{early}", f"event:{early + 1}"])


def test_writer_that_has_drawn_its_id_and_nothing_more_is_waited_for(
    committed_house: House,
) -> None:
    """An INSERT draws the id before it has a transaction id; here it is held between the two."""
    add_endpoint(committed_house, "https://hooks.example/in", "message.delivered")
    message = Message.objects.get(mailing=committed_house.planned(1))
    for _ in range(3):  # so that drawing the next id writes nothing, as mostly
        arrive(committed_house.account, body("email.delivered"))
    with another_connection() as slow:
        slow.execute(f"LOCK TABLE {EVENTS} IN ROW EXCLUSIVE MODE")
        row = slow.execute(f"SELECT nextval(pg_get_serial_sequence('{EVENTS}', 'id'))").fetchone()
        assert row is not None
        arrive(committed_house.account, body("email.delivered", message))
        collecting.collect()
        held = told_keys()
        payload = body("email.delivered", message).decode()
        slow.execute(
            "INSERT INTO mail_deliveryevent (id, month, account_id, provider_event_id, type,"
            " occurred_at, payload) VALUES (%s, date_trunc('month', now())::date, %s, 'late',"
            " 'email.delivered', now(), %s)",
            [row[0], committed_house.account.pk, payload],
        )
        slow.commit()

    collecting.collect()

    assert held == []
    assert told_keys() == sorted([f"event:{row[0]}", f"event:{row[0] + 1}"])


def test_event_that_is_rolled_back_holds_nobody_up(committed_house: House) -> None:
    add_endpoint(committed_house, "https://hooks.example/in", "message.delivered")
    message = Message.objects.get(mailing=committed_house.planned(1))
    with another_connection() as failing:
        gone = arrive_by(failing, committed_house, message)
        failing.rollback()
    arrive(committed_house.account, body("email.delivered", message))

    collecting.collect()

    assert told_keys() == [f"event:{gone + 1}"]
    assert position() == gone + 1


def test_writer_of_another_table_is_not_waited_for(committed_house: House) -> None:
    add_endpoint(committed_house, "https://hooks.example/in", "message.delivered")
    message = Message.objects.get(mailing=committed_house.planned(1))
    with another_connection() as importing:
        importing.execute("UPDATE contacts_contact SET first_name = 'x'")
        arrive(committed_house.account, body("email.delivered", message))

        collecting.collect()

        assert len(told_keys()) == 1


def test_writers_that_come_later_are_not_waited_for(
    committed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a table that is always written to would never be read."""
    message = Message.objects.get(mailing=committed_house.planned(1))
    with another_connection() as first, another_connection() as second:
        early = arrive_by(first, committed_house, message)

        def first_ends_and_second_begins(_: float) -> None:
            arrive_by(second, committed_house, message)
            first.commit()

        monkeypatch.setattr(time, "sleep", first_ends_and_second_begins)
        assert horizon.settled_until(EVENTS) == early


def test_nobody_is_told_twice_or_forgotten_while_many_write_and_several_collect(
    committed_house: House,
) -> None:
    add_endpoint(committed_house, "https://hooks.example/in", "message.delivered")
    message = Message.objects.get(mailing=committed_house.planned(1))
    begun_at = horizon.last_drawn(EVENTS)
    done = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with another_connection() as other:
            for _ in range(25):
                for _ in range(chance.randint(1, 3)):
                    arrive_by(other, committed_house, message)
                time.sleep(chance.uniform(0, 0.02))
                other.rollback() if chance.random() < 0.2 else other.commit()

    def collect() -> None:
        while not done.is_set():
            collecting.collect()
        connection.close()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    collectors = [threading.Thread(target=collect) for _ in range(2)]
    for thread in (*writers, *collectors):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in collectors:
        thread.join()

    collecting.collect()

    with connection.cursor() as cursor:
        cursor.execute("SELECT 'event:' || id FROM mail_deliveryevent WHERE id > %s", [begun_at])
        stored = sorted(row[0] for row in cursor.fetchall())
    assert len(stored) > 100
    assert told_keys() == stored
