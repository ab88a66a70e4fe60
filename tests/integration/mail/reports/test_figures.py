"""Daily figures are what the messages say, whatever happened and whatever was killed."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from django.db import connection, connections

from apps.mail import due, mailings, regrouping
from apps.mail.doubts import Resolution, resolve_batch
from apps.mail.events.applying import apply_events
from apps.mail.models import Batch, DailyFigure, FigureChange, Message
from apps.mail.reports import figures
from apps.mail.reports.figures import count_anew, daily, fold_changes, of_mailings
from apps.queues.names import TaskName
from tests.factories.mail import MailingFactory
from tests.integration.mail.conftest import House, make_house
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.reports.conftest import (
    claimed,
    figures_from_messages,
    kept_figures,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import DjangoAssertNumQueries

    from apps.mail.models import Mailing

TODAY = datetime.now(tz=UTC)
EVENTS = ("delivered", "bounced", "complained", "opened", "clicked", "failed", "delivery_delayed")


def tell(house: House, type_: str, message: Message, *, at: datetime = TODAY) -> None:
    data = {"click": {"link": "https://shop.example/"}} if type_ == "clicked" else {}
    arrive(house.account, body(f"email.{type_}", message, at=at, **data))


def test_planning_changes_no_figure(house: House) -> None:
    house.suppress(1, 2)

    house.planned(150)

    assert not FigureChange.objects.exists()


def test_batch_leaves_a_change_per_kind_and_reason(house: House) -> None:
    mailing = house.planned(100)

    settle(mailing, failed=2, unknown=3)

    changes = FigureChange.objects.values_list("kind", "reason", "number")
    assert set(changes) == {
        ("sent", "", 95),
        ("failed", "refused", 2),
        ("unknown", "key_expired", 3),
    }


def test_folding_adds_up_and_empties_the_changes(house: House) -> None:
    mailing = house.planned(250)
    settle(mailing, failed=2)
    settle(mailing, failed=1)

    assert fold_changes() == 4

    assert not FigureChange.objects.exists()
    settle(mailing)
    fold_changes()
    assert kept_figures() == figures_from_messages()
    assert of_mailings([mailing.pk])[mailing.pk] == {"sent": 247, "failed": 3}


def test_event_moves_a_message_from_doubt_to_sent(house: House) -> None:
    mailing = house.planned(3)
    settle(mailing, unknown=3)
    fold_changes()
    message = Message.objects.of(mailing).order_by("pk")[0]

    tell(house, "delivered", message)
    apply_events()
    fold_changes()

    assert kept_figures() == figures_from_messages()
    assert of_mailings([mailing.pk])[mailing.pk] == {"sent": 1, "unknown": 2, "delivered": 1}


@pytest.mark.parametrize("seed", range(6))
def test_figures_equal_the_messages_after_anything(
    house: House, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(figures, "FOLD_PAGE", chance.choice([1, 3, 5_000]))
    mailing = house.planned(chance.randrange(200, 700))

    def report() -> None:
        messages = Message.objects.of(mailing).exclude(state="pending").order_by("?")[:30]
        for message in messages:
            at = TODAY - timedelta(hours=chance.randrange(100))
            tell(house, chance.choice(EVENTS), message, at=at)
        apply_events()

    def resolve() -> None:
        batch = Batch.objects.filter(state="unknown").first()
        if batch:
            resolve_batch(batch_id=batch.pk, as_=chance.choice([*Resolution]), by="a", note="b")

    steps: list[Callable[[], object]] = [
        lambda: settle(mailing, failed=chance.randrange(4), unknown=chance.randrange(4)),
        lambda: regrouping.retry_failed(mailing_id=mailing.pk),
        lambda: (
            house.suppress(*chance.sample(range(1, 700), 5), reason="blocked")
            if chance.random() < 0.2
            else None
        ),
        report,
        resolve,
        fold_changes,
    ]
    for _ in range(25):
        if mailing.batches.filter(state="planned").exists():
            chance.choice(steps)()
    mailings.cancel(mailing_id=mailing.pk, reason="enough")
    mailings.settle_cancelled()
    fold_changes()

    assert kept_figures() == figures_from_messages()
    count_anew(mailing_id=mailing.pk)
    assert kept_figures() == figures_from_messages()


def test_counting_anew_replaces_wrong_figures_and_waiting_changes(house: House) -> None:
    mailing = house.planned(100)
    settle(mailing, failed=2)
    DailyFigure.objects.create(
        brand=house.brand, mailing=mailing, day=date(2020, 1, 1), kind="sent", number=7
    )

    count_anew(mailing_id=mailing.pk)

    assert not FigureChange.objects.exists()
    assert kept_figures() == figures_from_messages()


def test_figures_outlive_the_messages(house: House) -> None:
    mailing = MailingFactory.create(sender=house.sender, month=date(2020, 1, 1))
    DailyFigure.objects.create(
        brand=house.brand, mailing=mailing, day=date(2020, 1, 1), kind="sent", number=7
    )

    count_anew(mailing_id=mailing.pk)

    assert DailyFigure.objects.get().number == 7


def test_changes_are_due_for_folding_once_they_have_waited(house: House) -> None:
    mailing = house.planned(1)
    assert not list(due.due_figures())
    settle(mailing)
    assert not list(due.due_figures())

    FigureChange.objects.update(made_at=TODAY - timedelta(seconds=60))

    assert [one.task for one in due.due_figures()] == [TaskName.FOLD_FIGURES]


# --- Killed in the middle ---------------------------------------------------------------------


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    yield make_house()
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE mail_message, mail_deliveryevent, mail_open, mail_click, mail_bounce"
        )


def own_connection() -> psycopg.Connection[tuple[object, ...]]:
    settings = connections["default"].get_connection_params()
    return psycopg.connect(
        **{key: settings[key] for key in ("dbname", "user", "password", "host", "port")}
    )


def test_killed_fold_loses_nothing_and_doubles_nothing(committed_house: House) -> None:
    mailing = committed_house.planned(300)
    settle(mailing, failed=2)
    fold_changes()
    settle(mailing, failed=1)
    killed = own_connection()
    killed.execute("SELECT pg_advisory_xact_lock(%s)", [figures._LOCK_KEY])
    assert killed.execute(figures._FOLD, [5_000]).fetchone() == (2,)

    assert fold_changes() == 0  # the other one is at it
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [killed.info.backend_pid])

    assert FigureChange.objects.count() == 2
    assert fold_changes() == 2
    assert kept_figures() == figures_from_messages()


def test_change_that_commits_late_is_not_passed_over(committed_house: House) -> None:
    mailing = committed_house.planned(200)
    with own_connection() as slow:
        slow.execute(
            "UPDATE mail_message SET opened_at = now() WHERE mailing_id = %s", [mailing.pk]
        )
        settle_sent(mailing)
        fold_changes()
        slow.commit()

    fold_changes()

    assert of_mailings([mailing.pk])[mailing.pk] == {"opened": 200}


def settle_sent(mailing: Mailing) -> None:
    """Another change, of a later id, that is folded first."""
    FigureChange.objects.create(
        mailing_id=mailing.pk, day=TODAY.date(), kind="sent", reason="", number=0
    )


# --- Reading ----------------------------------------------------------------------------------


def test_daily_has_every_day_and_only_the_brands_asked_for(
    house: House, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    other = MailingFactory.create()
    mailing = house.mailing()
    for age, kind, number in [(0, "sent", 5), (0, "bounced", 1), (29, "sent", 2), (30, "sent", 9)]:
        DailyFigure.objects.create(
            brand=house.brand, mailing=mailing, day=TODAY.date() - timedelta(days=age),
            kind=kind, number=number,
        )  # fmt: skip
    DailyFigure.objects.create(
        brand=other.brand, mailing=other, day=TODAY.date(), kind="sent", number=100
    )

    with django_assert_num_queries(1):
        days = daily([house.brand.pk])

    assert len(days) == 30
    assert (days[-1].day, days[-1]["sent"], days[-1]["bounced"]) == (TODAY.date(), 5, 1)
    assert (days[0]["sent"], days[0]["opened"]) == (2, 0)
    assert sum(day["sent"] for day in days) == 7
    assert all(day["sent"] == 0 for day in daily([]))


def test_thirty_days_are_read_from_the_index_alone(house: House) -> None:
    mailing = house.mailing()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_dailyfigure (brand_id, mailing_id, day, kind, reason, number)"
            " SELECT %s, %s, current_date - n, kind, '', 1"
            "   FROM generate_series(1, 3000) n, unnest(ARRAY['sent', 'opened']) kind",
            [house.brand.pk, mailing.pk],
        )
        cursor.execute("ANALYZE mail_dailyfigure")
        cursor.execute(
            f"EXPLAIN {figures._DAILY}",
            [[house.brand.pk], TODAY.date() - timedelta(days=30), TODAY.date()],
        )
        plan = str(cursor.fetchall())

    assert "daily_figure_of_brand" in plan
    assert "Index Only Scan" in plan


def test_settling_in_flight_is_not_counted(house: House) -> None:
    mailing = house.planned(100)

    claimed(mailing)

    assert not FigureChange.objects.exists()
