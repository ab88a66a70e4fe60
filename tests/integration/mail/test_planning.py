from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.mail import mailings, planning
from apps.mail.models import AudiencePage, Batch, Message
from apps.mail.planning import Selection

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from tests.integration.mail.conftest import House

EVERYBODY = Selection()


def plan_all(mailing_id: int, selection: Selection = EVERYBODY) -> int:
    planned = 0
    while True:
        page = planning.plan_page(mailing_id=mailing_id, selection=selection)
        planned += page.planned
        if page.complete:
            return planned


def test_every_contact_gets_one_message_in_batches_of_a_hundred(house: House) -> None:
    mailing = house.planned(250)

    messages = Message.objects.of(mailing)
    assert messages.count() == 250
    assert sorted(Batch.objects.values_list("size", flat=True)) == [50, 100, 100]
    assert messages.filter(batch=None).count() == 0
    assert mailing.audience_completed_at is not None


def test_who_may_not_be_mailed_gets_a_row_with_the_reason(house: House) -> None:
    house.add_people(3, start=1001, status="unsubscribed")
    house.add_people(10)
    house.suppress(2, 4)
    mailing = house.mailing()

    page = planning.plan_page(mailing_id=mailing.pk, selection=EVERYBODY)

    skipped = Message.objects.of(mailing).filter(state="skipped")
    assert page.planned == 8
    assert page.skipped == {"hard_bounce": 2, "unsubscribed": 3}
    assert (
        sorted(skipped.values_list("reason", flat=True))
        == ["hard_bounce"] * 2 + ["unsubscribed"] * 3
    )
    assert skipped.filter(batch=None, settled_at__isnull=False).count() == 5


def test_excluded_people_are_in_the_audience_but_skipped(house: House) -> None:
    house.add_people(10)
    mailing = house.mailing()
    selection = Selection(exclude="c.traits ->> 'plan' = %(plan)s", params={"plan": "pro"})

    page = planning.plan_page(mailing_id=mailing.pk, selection=selection)

    assert page.skipped == {"excluded": 5}
    assert page.planned == 5


def test_who_joins_after_the_launch_is_not_in_the_audience(house: House) -> None:
    house.add_people(5)
    mailing = house.mailing()
    house.add_people(5, start=100)

    assert plan_all(mailing.pk) == 5


def test_planning_goes_on_behind_its_cursor(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "PAGE_SIZE", 40)
    monkeypatch.setattr(planning, "_PAGE", planning._PAGE.replace("LIMIT 10000", "LIMIT 40"))
    house.add_people(100)
    mailing = house.mailing()

    planning.plan_page(mailing_id=mailing.pk, selection=EVERYBODY)
    assert plan_all(mailing.pk) == 60

    assert Message.objects.of(mailing).count() == 100
    pages = AudiencePage.objects.order_by("after_contact")
    assert [page.planned for page in pages] == [40, 40, 20]


def test_planned_mailing_is_not_planned_again(house: House) -> None:
    mailing = house.planned(10)

    page = planning.plan_page(mailing_id=mailing.pk, selection=EVERYBODY)

    assert (page.planned, page.complete) == (0, True)
    assert Message.objects.of(mailing).count() == 10


def test_paused_mailing_is_not_planned(house: House) -> None:
    house.add_people(10)
    mailing = house.mailing()
    mailings.pause(mailing_id=mailing.pk, reason="a look at the subject")

    page = planning.plan_page(mailing_id=mailing.pk, selection=EVERYBODY)

    assert (page.planned, page.complete) == (0, False)


@pytest.mark.parametrize("number", [10, 1_000])
def test_page_costs_the_same_statements_whatever_its_size(
    house: House, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    house.add_people(number)
    mailing = house.mailing()

    with django_assert_num_queries(5):  # savepoint, lock, page, cursor, release
        planning.plan_page(mailing_id=mailing.pk, selection=EVERYBODY)


@pytest.mark.django_db(transaction=True)
def test_two_planners_at_once_plan_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.integration.mail.conftest import make_house

    monkeypatch.setattr(planning, "PAGE_SIZE", 20)
    monkeypatch.setattr(planning, "_PAGE", planning._PAGE.replace("LIMIT 10000", "LIMIT 20"))
    house = make_house()
    house.add_people(200)
    mailing = house.mailing()

    def work() -> None:
        plan_all(mailing.pk)
        connection.close()

    planners = [threading.Thread(target=work) for _ in range(4)]
    for planner in planners:
        planner.start()
    for planner in planners:
        planner.join()

    assert Message.objects.of(mailing).count() == 200
    assert sum(AudiencePage.objects.values_list("planned", flat=True)) == 200
