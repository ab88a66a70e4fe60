"""The minute's run: who gets a text, who does not and why, and how many at most."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.sms.choosing import running
from apps.sms.choosing.reasons import Reason
from apps.sms.choosing.running import MinuteTakenError
from apps.sms.models import (
    ChoiceRun,
    PhoneSuppression,
    SentText,
    StateHours,
    TextCampaign,
    TextChunk,
    TextConfig,
    TextTally,
)
from tests.integration.sms.town import DAY, NOON, Town

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.sms.models import Subscriber

pytestmark = pytest.mark.django_db
HOUR, DAYS = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def town(db: None) -> Town:
    return Town()


def test_person_whom_nothing_keeps_is_reserved_with_chunk_tally_and_run(town: Town) -> None:
    message, person = town.message(), town.person()

    figures = town.run()

    (text,) = town.reserved()
    assert (figures.looked_at, figures.chosen, figures.reserved) == (1, 1, 1)
    assert (text.subscriber_id, text.message_id, text.state) == (person.pk, message.pk, "reserved")
    assert (text.local_day, text.reserved_at, text.phone) == (DAY, NOON, person.phone)
    assert text.until_at == datetime(2026, 6, 11, 0, 0, tzinfo=UTC)  # 20:00 in New York
    chunk = TextChunk.objects.get()
    assert (chunk.pk, chunk.size, chunk.local_day, chunk.state) == (
        text.chunk_id,
        1,
        DAY,
        "waiting",
    )
    assert TextTally.objects.get().texts == 1
    assert ChoiceRun.objects.get().reserved == 1


def _leave(town: Town, person: Subscriber) -> None:
    person.subscriptions.update(active=False, opted_out_at=NOON)


def _opt_out(town: Town, person: Subscriber) -> None:
    person.status = "OPTOUT"
    person.save()


def _suppress(town: Town, person: Subscriber) -> None:
    PhoneSuppression.objects.create(phone=person.phone, reason="stop")


def _have(number: int) -> Callable[[Town, Subscriber], None]:
    def have(town: Town, person: Subscriber) -> None:
        town.settings(daily_limit=number)
        for _ in range(number):
            town.message()
            assert town.run(at=NOON - 2 * HOUR).reserved == 1

    return have


REFUSALS: list[tuple[Reason, dict[str, Any], Callable[[Town, Subscriber], None] | None]] = [
    (Reason.NOT_SUBSCRIBED, {}, _leave),
    (Reason.OPTED_OUT, {}, _opt_out),
    (Reason.NO_ZONE, {"timezone": ""}, None),
    (Reason.NO_ZONE, {"timezone": "Mars/Olympus"}, None),
    (Reason.STATE_UNKNOWN, {"state": "ZZ"}, None),
    (Reason.OUTSIDE_HOURS, {"timezone": "Pacific/Honolulu", "state": "HI"}, None),
    (Reason.OUTSIDE_HOURS, {"timezone": "America/New_York,Pacific/Honolulu"}, None),
    (Reason.NOT_VERIFIED, {"subscription__verified_at": NOON - 25 * HOUR}, None),
    (Reason.NOT_VERIFIED, {"subscription__verified_at": None}, None),
    (Reason.NOT_ENGAGED, {"subscription__opted_in_at": NOON - 91 * DAYS}, None),
    (Reason.NOT_ENGAGED, {"subscription__opted_in_at": None}, None),
    (Reason.SUPPRESSED, {}, _suppress),
    (Reason.DAILY_LIMIT, {}, _have(1)),
    (Reason.DAILY_LIMIT, {}, _have(3)),
]


@pytest.mark.parametrize(("reason", "fields", "before"), REFUSALS)
def test_rule_that_speaks_against_keeps_the_text_back_and_is_counted(
    town: Town,
    reason: Reason,
    fields: dict[str, Any],
    before: Callable[[Town, Subscriber], None] | None,
) -> None:
    town.message()
    person = town.person(**fields)
    if before:
        before(town, person)
    had = len(town.reserved())

    figures = town.run()

    assert figures.reasons == {reason: 1}
    assert figures.reserved == 0
    assert len(town.reserved()) == had


def test_engagement_counts_as_well_as_a_late_opt_in(town: Town) -> None:
    town.message()
    long_ago = {"subscription__opted_in_at": NOON - 400 * DAYS}
    town.person(last_engagement=NOON - 89 * DAYS, **long_ago)
    town.person(last_engagement=NOON - 91 * DAYS, **long_ago)

    assert town.run().reserved == 1


def test_rule_of_0_days_is_switched_off(town: Town) -> None:
    town.message()
    town.settings(engagement_days=0, verify_max_age_hours=0)
    town.person(subscription__verified_at=None, subscription__opted_in_at=None)

    assert town.run().reserved == 1


def test_gap_between_two_texts_is_kept(town: Town) -> None:
    town.message()
    town.message()
    town.settings(gap_minutes=60)
    town.person()
    town.run()

    early = town.run(at=NOON + timedelta(minutes=59))
    late = town.run(at=NOON + timedelta(minutes=60))

    assert early.reasons == {Reason.TOO_SOON: 1}
    assert late.reserved == 1


def test_same_message_is_not_reserved_twice_a_day_but_again_on_the_next(town: Town) -> None:
    town.message()
    town.person()
    town.run()

    again = town.run(at=NOON + HOUR)
    tomorrow = town.run(at=NOON + DAYS)

    assert again.reasons == {Reason.HAD_ALL_TODAY: 1}
    assert tomorrow.reserved == 1


def test_day_of_the_limit_is_the_persons_own(town: Town) -> None:
    # 06:30 UTC on the 11th: in Honolulu it is still the 10th.
    town.settings(daily_limit=1, hours_from=time(0), hours_until=time(23, 59))
    for _ in range(3):
        town.message()
    town.person(timezone="Pacific/Honolulu", state="HI")
    town.person(timezone="Asia/Tokyo", state="")
    first = town.run(at=datetime(2026, 6, 10, 10, 30, tzinfo=UTC))

    second = town.run(at=datetime(2026, 6, 11, 6, 30, tzinfo=UTC))

    assert first.reserved == 2
    assert (second.reserved, second.reasons) == (1, {Reason.DAILY_LIMIT: 1})


def test_daily_limit_counts_the_texts_of_all_brands(town: Town) -> None:
    other = Town()
    town.settings(daily_limit=1)
    person = town.person()
    town.message()
    other.message()
    person.subscriptions.create(brand=other.brand, opted_in_at=NOON, verified_at=NOON)
    other.run()

    assert town.run().reasons == {Reason.DAILY_LIMIT: 1}


@pytest.mark.parametrize("state", ["failed", "skipped", "expired"])
def test_text_that_was_not_sent_gives_its_place_back(town: Town, state: str) -> None:
    town.settings(daily_limit=1)
    town.message()
    town.message()
    town.person()
    town.run()
    town.end(SentText.State(state), *town.reserved())

    assert town.run(at=NOON + HOUR).reserved == 1


@pytest.mark.parametrize("state", ["sent", "unknown"])
def test_text_that_may_have_been_sent_keeps_its_place(town: Town, state: str) -> None:
    town.settings(daily_limit=1)
    town.message()
    town.message()
    town.person()
    town.run()
    town.end(SentText.State(state), *town.reserved())

    assert town.run(at=NOON + HOUR).reasons == {Reason.DAILY_LIMIT: 1}


def test_limit_holds_by_the_log_where_the_tally_is_lost(town: Town) -> None:
    town.settings(daily_limit=1)
    town.message()
    town.message()
    town.person()
    town.run()
    TextTally.objects.all().delete()

    assert town.run(at=NOON + HOUR).reasons == {Reason.DAILY_LIMIT: 1}


@pytest.mark.parametrize("state", ["FL", "MD", "NJ", "OK", ""])
def test_states_law_allows_3_in_24_hours_over_midnight(town: Town, state: str) -> None:
    town.settings(
        daily_limit=10, hours_from=time(0), hours_until=time(23, 59), verify_max_age_hours=0
    )
    StateHours.objects.update(hours_from=None, hours_until=None)
    for _ in range(4):
        town.message()
    town.person(state=state)
    evening = datetime(2026, 6, 11, 3, 0, tzinfo=UTC)  # 23:00 in New York, then comes midnight
    for minute in (0, 30, 90):
        assert town.run(at=evening + timedelta(minutes=minute)).reserved == 1

    too_many = town.run(at=evening + timedelta(minutes=120))
    a_day_later = town.run(at=evening + DAYS + timedelta(minutes=1))

    assert too_many.reasons == {Reason.STATE_LIMIT: 1}
    assert a_day_later.reserved == 1


def test_states_hours_are_narrower_than_the_settings(town: Town) -> None:
    town.settings(hours_from=time(8), hours_until=time(21))
    town.message()
    town.person(state="FL")
    town.person(state="NY")

    evening = town.run(at=NOON + timedelta(hours=8, minutes=30))  # 20:30 in New York

    assert (evening.reserved, evening.reasons) == (1, {Reason.OUTSIDE_HOURS: 1})


def test_weekly_cap_counts_seven_of_the_persons_days(town: Town) -> None:
    town.settings(verify_max_age_hours=0)
    campaign = town.campaign(weekly_cap=2)
    town.message(campaign)
    town.message(campaign)
    town.person()
    assert [town.run(at=NOON + n * DAYS).reserved for n in range(2)] == [1, 1]

    sixth = town.run(at=NOON + 6 * DAYS)
    seventh = town.run(at=NOON + 7 * DAYS)

    assert sixth.reasons == {Reason.CAMPAIGN_WEEK: 1}
    assert seventh.reserved == 1


def test_other_campaign_steps_in_where_one_is_full(town: Town) -> None:
    full = town.campaign(weekly_cap=1)
    town.message(full, weight=1_000_000)
    other = town.message(weight=0.001)
    town.person()
    town.run()

    town.run(at=NOON + HOUR)

    assert [text.message_id for text in town.reserved()][1] == other.pk


def test_total_cap_of_a_campaign_is_never_passed(town: Town) -> None:
    town.message(town.campaign(total_cap=3))
    for _ in range(5):
        town.person()

    first, second = town.run(), town.run()

    assert (first.reserved, first.reasons) == (3, {Reason.CAMPAIGN_TOTAL: 2})
    assert second.stopped_by == "no_messages"


def test_global_caps_are_never_passed(town: Town) -> None:
    other = Town()
    TextConfig.objects.filter(brand=None).update(global_daily_cap=5)
    town.settings(global_daily_cap=3)
    town.message()
    other.message()
    for _ in range(4):
        town.person()
        other.person()

    own, again, others = town.run(), town.run(), other.run()

    assert (own.reserved, again.stopped_by) == (3, "daily_cap")
    assert others.reserved == 2
    assert town.run(at=NOON + DAYS).reserved > 0


@pytest.mark.parametrize(
    "fields",
    [
        {"active": False},
        {"valid_from": NOON + HOUR},
        {"valid_until": NOON},
        {"campaign__state": TextCampaign.State.PAUSED},
        {"campaign__starts_at": NOON + HOUR},
        {"campaign__ends_at": NOON},
    ],
)
def test_message_that_is_not_valid_now_is_not_chosen(town: Town, fields: dict[str, Any]) -> None:
    campaign = town.campaign(
        **{k.removeprefix("campaign__"): v for k, v in fields.items() if "campaign__" in k}
    )
    town.message(campaign, **{k: v for k, v in fields.items() if "campaign__" not in k})
    town.person()

    assert town.run().stopped_by == "no_messages"


def test_message_has_hours_and_an_end_of_its_own(town: Town) -> None:
    town.message(hours_from=time(13), hours_until=time(14))
    ending = town.campaign(ends_at=NOON + timedelta(minutes=90))
    town.person()

    early = town.run()
    open_now = town.run(at=NOON + HOUR)
    town.message(ending)
    soon_over = town.run(at=NOON + HOUR)

    assert early.reasons == {Reason.NO_MESSAGE_NOW: 1}
    assert (open_now.reserved, soon_over.reserved) == (1, 1)
    assert [text.until_at for text in town.reserved()] == [NOON + 2 * HOUR, ending.ends_at]


def test_weights_are_kept_and_a_seed_makes_the_same_choice_again(town: Town) -> None:
    campaign = town.campaign()
    light, heavy = town.message(campaign, weight=1), town.message(campaign, weight=3)
    for _ in range(400):
        town.person()
    minute = NOON

    with transaction.atomic():
        running.run(brand_id=town.brand.pk, minute=minute, at=NOON)
        first = {text.subscriber_id: text.message_id for text in town.reserved()}
        transaction.set_rollback(True)
    running.run(brand_id=town.brand.pk, minute=minute, at=NOON)
    second = {text.subscriber_id: text.message_id for text in town.reserved()}

    shares = Counter(second.values())
    assert first == second
    assert 60 <= shares[light.pk] <= 140
    assert shares[heavy.pk] == 400 - shares[light.pk]


def test_run_that_may_not_choose_all_goes_on_behind_the_last(town: Town) -> None:
    town.settings(run_limit=2, chunk_size=1)
    town.message()
    people = [town.person().pk for _ in range(5)]

    reserved = [town.run().reserved for _ in range(4)]

    assert reserved == [2, 2, 1, 0]
    assert sorted(text.subscriber_id for text in town.reserved()) == people
    assert TextChunk.objects.count() == 5


def test_dry_run_counts_and_reserves_nothing(town: Town) -> None:
    town.settings(dry_run=True)
    town.message()
    town.person()

    figures = town.run()

    assert (figures.chosen, figures.reserved, town.reserved()) == (1, 0, [])


@pytest.mark.parametrize(("station", "brand"), [(False, True), (True, False), (None, None)])
def test_sending_needs_both_switches(town: Town, station: bool | None, brand: bool | None) -> None:  # noqa: FBT001
    town.message()
    town.person()
    town.settings(sending=brand)
    TextConfig.objects.filter(brand=None).update(sending=station)

    assert town.run().stopped_by == "sending_off"


def test_minute_is_run_once_per_brand(town: Town) -> None:
    town.message()
    town.message()
    town.person()
    running.run(brand_id=town.brand.pk, minute=NOON, at=NOON)

    with pytest.raises(MinuteTakenError), transaction.atomic():
        running.run(brand_id=town.brand.pk, minute=NOON, at=NOON)

    assert len(town.reserved()) == 1


def test_number_of_statements_is_constant(town: Town) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            town.run()
        return len([one for one in captured if "SAVEPOINT" not in one["sql"]])

    town.message()
    town.person()
    one = statements()
    for state in ("NY", "TX", "CA", "FL"):
        for _ in range(10):
            town.person(state=state)
        town.message()
    many = statements()

    assert one == many
    assert one <= 12


def test_database_refuses_a_second_reservation_of_the_day(town: Town) -> None:
    town.message()
    town.person()
    town.run()
    (text,) = town.reserved()
    row = (text.local_day, text.subscriber_id, text.message_id, text.campaign_id, text.brand_id)

    refused = pytest.raises(IntegrityError, match="subscriber_id_local_day")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sms_senttext (local_day, subscriber_id, message_id, campaign_id,"
            " brand_id, chunk_id, until_at, phone)"
            " VALUES (%s, %s, %s, %s, %s, 1, now(), '+12125550000')",
            row,
        )


def test_reservation_that_nobody_came_for_expires_and_gives_its_place_back(town: Town) -> None:
    town.settings(daily_limit=1)
    town.message()
    town.person()
    town.run()
    TextChunk.objects.update(created_at=NOON, due_at=NOON)
    town.settings(sending=False)

    town.run(at=NOON + 23 * HOUR)
    early = [text.state for text in town.reserved()]
    town.run(at=NOON + 25 * HOUR)

    assert early == ["reserved"]
    assert [(text.state, text.reason) for text in town.reserved()] == [("expired", "outside_hours")]
    assert TextChunk.objects.get().state == "done"


def test_all_brands_have_their_turn_although_one_fails(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Town()
    town.message()
    other.message()
    real, asked = running.run, []

    def fail_first(*, brand_id: int, minute: datetime) -> running.RunFigures:
        asked.append(brand_id)
        if brand_id == town.brand.pk:
            raise RuntimeError
        return real(brand_id=brand_id, minute=minute)

    monkeypatch.setattr(running, "run", fail_first)

    with pytest.raises(RuntimeError):
        running.run_brands(minute=NOON)

    assert asked == [town.brand.pk, other.brand.pk]
    assert ChoiceRun.objects.get().brand_id == other.brand.pk


def test_people_are_not_paired_with_every_chunk(town: Town) -> None:
    """Planners guess a row or two for the parts of the statement, and would."""
    people = 120
    town.settings(chunk_size=1)
    town.message()
    for _ in range(people):
        town.person()
    removed: list[int] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        if "INTO sms_senttext" in sql and not sql.startswith("EXPLAIN"):
            before = transaction.savepoint()
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                removed.append(_removed(cursor.fetchone()[0][0]["Plan"]))
            transaction.savepoint_rollback(before)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        assert town.run().reserved == people

    (rows,) = removed
    assert rows == 0
    assert TextChunk.objects.filter(size=1).count() == people


def _removed(node: dict[str, Any]) -> int:
    """Pairs of people and chunks that a join of the plan made and threw away again."""
    by_chunk = "part" in node.get("Join Filter", "")
    own = node.get("Rows Removed by Join Filter", 0) * node.get("Actual Loops", 1)
    return by_chunk * int(own) + sum(_removed(one) for one in node.get("Plans", []))
