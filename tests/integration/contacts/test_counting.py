"""How many opted in, exactly or about, but never by reading them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts import counting
from apps.contacts.counting import count_opt_ins
from apps.contacts.models import Topic, TopicState
from tests.factories.contacts import TopicFactory, TopicSubscriptionFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


def fill(topic: Topic, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH people AS (INSERT INTO contacts_contact (brand_id, email, address, status)"
            " SELECT %(brand)s, a, a, 'subscribed'"
            " FROM (SELECT %(topic)s || 'p' || n || '@p.example' AS a"
            " FROM generate_series(1, %(number)s) n) made RETURNING id)"
            " INSERT INTO contacts_topicsubscription (contact_id, topic_id, state)"
            " SELECT id, %(topic)s, 'opt_in' FROM people",
            {"brand": topic.brand_id, "topic": topic.pk, "number": number},
        )
        cursor.execute("ANALYZE contacts_topicsubscription")


def test_few_are_counted_exactly(brand: Brand) -> None:
    topic, empty = TopicFactory.create(brand=brand), TopicFactory.create(brand=brand)
    fill(topic, 3)
    TopicSubscriptionFactory.create(topic=topic, state=TopicState.OPT_OUT)

    counts = count_opt_ins([topic.pk, empty.pk])

    assert (str(counts[topic.pk]), str(counts[empty.pk])) == ("3", "0")


def test_many_are_estimated_in_two_figures(brand: Brand) -> None:
    large, small = TopicFactory.create(brand=brand), TopicFactory.create(brand=brand)
    fill(large, 12_345)
    fill(small, 7)

    counts = count_opt_ins([large.pk, small.pk])

    assert counts[large.pk].is_estimate
    assert str(counts[large.pk]) == "about 12,000"
    assert str(counts[small.pk]) == "7"


def test_any_number_of_topics_takes_two_statements(brand: Brand) -> None:
    topics = [TopicFactory.create(brand=brand) for _ in range(4)]
    for topic in topics[:2]:
        fill(topic, counting.COUNTED_EXACTLY + 5)

    with CaptureQueriesContext(connection) as captured:
        count_opt_ins([one.pk for one in topics])

    assert len(captured) == 2


def test_no_topics_take_none() -> None:
    assert count_opt_ins([]) == {}
