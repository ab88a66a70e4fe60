"""What an explanation says is what the run does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from apps.sms import explaining, figures
from apps.sms.choosing.reasons import Reason
from apps.sms.models import SentText
from tests.factories.texts import SubscriberFactory
from tests.integration.sms.test_choosing import REFUSALS
from tests.integration.sms.town import NOON, Town

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.sms.models import Subscriber

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(db: None) -> Town:
    return Town()


def explain(town: Town, person: Subscriber) -> explaining.Explanation:
    return explaining.explain(subscriber_id=person.pk, brand_id=town.brand.pk, at=NOON)


@pytest.mark.parametrize(("reason", "fields", "before"), REFUSALS)
def test_reason_is_the_one_that_the_run_counts(
    town: Town,
    reason: Reason,
    fields: dict[str, Any],
    before: Callable[[Town, Subscriber], None] | None,
) -> None:
    town.message()
    person = town.person(**fields)
    if before:
        before(town, person)

    explanation = explain(town, person)

    assert explanation.reason == reason
    assert town.run().reasons == {reason: 1}


def test_person_who_would_get_a_text_passes_every_rule(town: Town) -> None:
    message, person = town.message(), town.person()

    explanation = explain(town, person)

    assert (explanation.reason, explanation.messages) == ("", (message.pk,))
    assert all(verdict.allows for verdict in explanation.verdicts)
    assert {verdict.reason for verdict in explanation.verdicts} == set(Reason) - {
        Reason.CAMPAIGN_TOTAL
    }
    limit = next(one for one in explanation.verdicts if one.reason == Reason.DAILY_LIMIT)
    assert limit.shown == {"texts_today": 0, "limit": 4}


def test_no_cap_is_named_that_was_not_reached(town: Town) -> None:
    """At night no message may go: how much room campaigns have, and what was had, is no matter."""
    town.message(town.campaign(weekly_cap=3))
    person = town.person()
    town.run(at=NOON + timedelta(hours=7))
    night = NOON + timedelta(hours=9)

    explanation = explaining.explain(subscriber_id=person.pk, brand_id=town.brand.pk, at=night)

    against = {one.reason for one in explanation.verdicts if not one.allows}
    assert against == {Reason.OUTSIDE_HOURS, Reason.NO_MESSAGE_NOW}


def test_brand_that_is_held_back_and_stranger_are_told(town: Town) -> None:
    person, stranger = town.person(), SubscriberFactory.create()
    without_messages = explain(town, person)
    town.message()
    town.settings(sending=False)

    assert without_messages.reason == "no_messages"
    assert explain(town, person).reason == "sending_off"
    assert [one.reason for one in explain(town, stranger).verdicts] == [Reason.NOT_SUBSCRIBED]


def test_campaign_is_counted_by_state_and_reason(town: Town) -> None:
    message = town.message()
    town.person(), town.person()
    town.person(timezone="")
    town.run()
    first, second = town.reserved()
    town.end(SentText.State.SENT, first)
    town.end(SentText.State.UNKNOWN, second)

    figures.count_due()
    counts = explaining.count_campaign(
        campaign_id=message.campaign_id, brand_id=town.brand.pk, days=10_000
    )

    assert counts.states == {"sent": 1, "unknown": 1}
    assert counts.reasons == {"a test": 1}
    assert counts.left_out == {Reason.NO_ZONE: 1}


def test_texts_of_the_day_are_told_at_night_too(town: Town) -> None:
    town.message()
    person = town.person()
    town.run(at=NOON + timedelta(hours=7))
    night = NOON + timedelta(hours=9)  # 21:00 in New York; in UTC the next day has begun

    explanation = explaining.explain(subscriber_id=person.pk, brand_id=town.brand.pk, at=night)

    assert explanation.reason == Reason.OUTSIDE_HOURS
    limit = next(one for one in explanation.verdicts if one.reason == Reason.DAILY_LIMIT)
    assert limit.shown["texts_today"] == 1
