"""Two runs at the same moment, on two connections, in an order that is forced."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connection, transaction

from apps.sms.choosing import running
from apps.sms.models import SentText, TextConfig
from tests.integration.sms.town import DAY, NOON, Town

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 30


@pytest.fixture
def town() -> Iterator[Town]:
    """Its partitions are no tables of Django's, which would not empty them."""
    yield Town()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE sms_senttext")


class Elsewhere(threading.Thread):
    """A call on a connection of its own, in a transaction that is left open until `let_go`."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.called, self._may_commit = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.backend = 0

    def run(self) -> None:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    self.backend = cursor.fetchone()[0]
                self._call()
                self.called.set()
                self._may_commit.wait(60)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.called.set()
            connection.close()

    def let_go(self) -> None:
        self._may_commit.set()
        self.join(60)


def wait_until_blocked(other: Elsewhere) -> None:
    """Until the server itself says that the other transaction waits for somebody."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [other.backend])
            if other.backend and cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    pytest.fail("the second run waited for nobody")


def run_both(first: Callable[[], object], second: Callable[[], object]) -> Elsewhere:
    """The second begins once the first has chosen, and waits; then both commit."""
    one, other = Elsewhere(first), Elsewhere(second)
    one.start()
    assert one.called.wait(60)
    other.start()
    wait_until_blocked(other)
    one.let_go()
    assert one.error is None
    assert other.called.wait(60)
    other.let_go()
    return other


def _run(town: Town, minute: int) -> Callable[[], object]:
    def run() -> object:
        when = NOON + timedelta(minutes=minute)
        return running.run(brand_id=town.brand.pk, minute=when, at=NOON)

    return run


def test_two_runs_at_once_break_no_cap_and_reserve_no_pair_twice(town: Town) -> None:
    TextConfig.objects.filter(brand=None).update(global_daily_cap=PEOPLE + 5)
    town.settings(daily_limit=1)
    for _ in range(5):
        town.message()
    for _ in range(PEOPLE):
        town.person()

    other = run_both(_run(town, 1), _run(town, 2))

    assert other.error is None
    texts = town.reserved()
    assert len(texts) == len({text.subscriber_id for text in texts}) == PEOPLE


def test_two_brands_at_once_keep_a_persons_limit(town: Town) -> None:
    neighbour = Town()
    for one in (town, neighbour):
        one.settings(daily_limit=1)
        one.message()
    people = [town.person() for _ in range(PEOPLE)]
    for person in people:
        person.subscriptions.create(brand=neighbour.brand, opted_in_at=NOON, verified_at=NOON)

    other = run_both(_run(town, 1), _run(neighbour, 1))

    assert other.error is None
    assert (len(town.reserved()), len(neighbour.reserved())) == (PEOPLE, 0)


def test_writer_who_takes_no_turn_meets_the_unique_rule(town: Town) -> None:
    message, person = town.message(), town.person()

    def insert() -> object:
        return SentText.objects.create(
            local_day=DAY,
            subscriber=person,
            message=message,
            campaign_id=message.campaign_id,
            brand=town.brand,
            chunk_id=1,
            phone=person.phone,
            until_at=NOON,
        )

    other = run_both(_run(town, 1), insert)

    assert isinstance(other.error, IntegrityError)
    assert len(town.reserved()) == 1
