"""Figures by day and message: what they count, when they are counted anew, and what they spare."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.sms import explaining, figures, reporting
from apps.sms.calling import doubts
from apps.sms.models import SentText, TextChunk, TextDayDue, TextFigure
from tests.integration.sms.town import DAY, Town

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=1)


@pytest.fixture
def town() -> Town:
    return Town()


def told(**filters: object) -> dict[tuple[str, str], int]:
    """Texts by state and reason."""
    rows = TextFigure.objects.filter(**filters).values_list("state", "reason")
    return {(state, reason): number for state, reason, number in rows.annotate(Sum("number"))}


def close_chunks(*, ago: timedelta = timedelta(0)) -> None:
    TextChunk.objects.update(state="done", done_at=timezone.now() - ago)


def test_texts_are_counted_by_message_state_and_reason(town: Town) -> None:
    first, second = town.message(), town.message()
    for _ in range(6):
        town.person()
    town.run()
    texts = town.reserved()
    town.end(SentText.State.SENT, *texts[:3])
    town.end(SentText.State.UNKNOWN, texts[3])

    assert figures.count_due() == [DAY]

    assert told() == {("sent", ""): 3, ("unknown", "a test"): 1, ("reserved", ""): 2}
    for message in (first, second):
        expected = sum(1 for text in texts if text.message_id == message.pk)
        found = TextFigure.objects.filter(message=message, brand=town.brand, local_day=DAY)
        assert sum(found.values_list("number", flat=True)) == expected


def test_what_has_changed_is_counted_anew_and_what_is_no_more_goes(town: Town) -> None:
    town.message()
    town.person(), town.person()
    town.run()
    figures.count_due()
    assert told() == {("reserved", ""): 2}
    town.end(SentText.State.SENT, *town.reserved())
    close_chunks()

    figures.count_due()
    figures.count_due()

    assert told() == {("sent", ""): 2}


def test_day_that_was_done_long_ago_is_left_alone_until_it_is_noted(town: Town) -> None:
    town.message()
    town.person()
    town.run()
    town.end(SentText.State.SENT, *town.reserved())
    close_chunks(ago=LONG_AGO)
    assert figures.count_due() == []

    figures.note_changed([DAY, DAY])

    assert figures.count_due() == [DAY]
    assert told() == {("sent", ""): 1}
    assert not TextDayDue.objects.exists()
    assert figures.count_due() == []


def test_doubt_that_is_settled_later_is_counted(town: Town) -> None:
    town.message()
    town.person()
    town.run()
    (text,) = town.reserved()
    town.end(SentText.State.UNKNOWN, text)
    close_chunks(ago=LONG_AGO)

    doubts.settle_proven(local_day=text.local_day, text_id=text.pk, proof="clicked")

    assert figures.count_due() == [DAY]
    assert told() == {("sent", ""): 1}


def test_figures_outlive_the_log(town: Town) -> None:
    town.message()
    town.person()
    town.run()
    town.end(SentText.State.SENT, *town.reserved())
    figures.count_due()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sms_senttext")
    figures.note_changed([DAY])

    figures.count_due()

    assert told() == {("sent", ""): 1}


def test_second_count_at_the_same_time_leaves_it_to_the_first(town: Town) -> None:
    town.message()
    town.person()
    town.run()
    parameters = connection.get_connection_params()
    own = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(**own) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [figures._LOCK_KEY])

        assert figures.count_due() == []

    assert told() == {}


def test_pages_read_figures_and_never_the_log(town: Town) -> None:
    message = town.message()
    town.person()
    town.run()
    town.end(SentText.State.SENT, *town.reserved())
    figures.count_due()
    cache.clear()

    with CaptureQueriesContext(connection) as captured:
        (row,) = reporting.campaign_messages(message.campaign_id)
        reporting.brand_days(town.brand.pk)
        counts = explaining.count_campaign(
            campaign_id=message.campaign_id, brand_id=town.brand.pk, days=10_000
        )

    assert row.sent == 1
    assert counts.states == {"sent": 1}
    assert not [one for one in captured if "sms_senttext" in one["sql"]]


def test_message_is_known_to_be_used_before_and_after_the_count(town: Town) -> None:
    today, unused = timezone.now(), town.message(active=False)
    message = town.message()
    town.person()
    assert not figures.was_ever_reserved(message_id=message.pk)
    town.run()
    SentText.objects.update(local_day=today.date())

    before = figures.was_ever_reserved(message_id=message.pk)
    figures.note_changed([today.date()])
    figures.count_due()
    SentText.objects.all().delete()

    assert before
    assert figures.was_ever_reserved(message_id=message.pk)
    assert not figures.was_ever_reserved(message_id=unused.pk)
