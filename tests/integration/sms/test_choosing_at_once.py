"""Two runs at the same moment, on two connections, in an order that is forced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connection

from apps.sms.choosing import running
from apps.sms.models import SentText, TextConfig
from tests.integration.sms.at_once import run_both
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
