"""Scores and tiers: what they are made of, when they change, and what a change leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.contacts.models import Contact
from apps.mail.events.applying import apply_events
from apps.newsletter.engagement import recomputing, touched
from apps.newsletter.engagement.explaining import explain
from apps.newsletter.engagement.scoring import Selection, look, rescore
from apps.newsletter.models import Recomputation, ScoreChange, ScoreRule, SegmentWish, Tier
from tests.integration.mail.conftest import House, make_house
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.newsletter.engagement import Club, ago, make_club

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.django_db

EVENT = ScoreChange.Cause.EVENT


@pytest.fixture
def club() -> Club:
    return make_club()


def standing(contact: int) -> tuple[int, str]:
    row = Contact.objects.get(pk=contact)
    return row.score, row.tier


def wishes(contacts: Iterable[int]) -> dict[int, tuple[str | None, int, str, int]]:
    rows = SegmentWish.objects.filter(contact_id__in=list(contacts))
    return {row.contact_id: (row.target_segment, row.score, row.mode, row.version) for row in rows}


def test_score_is_the_sum_of_what_happened_lately(club: Club) -> None:
    [ada] = club.people(1)
    club.mail(ada, opened=1, clicked=1)
    club.mail(ada, opened=95)  # the window has passed
    club.mail(ada, machine=1)  # a machine's
    club.interaction(ada, "visited", days=10)  # half of its worth
    club.interaction(ada, "danced")  # no rule

    rescore([ada], cause=EVENT)

    assert standing(ada) == (5 + 10 + 2, "warm")


def test_bound_holds_and_score_stays_between_nothing_and_the_highest(club: Club) -> None:
    many, sorry = club.people(2)
    for _ in range(6):
        club.mail(many, opened=2)
    club.mail(sorry, opened=2, complained=1)

    rescore([many, sorry], cause=EVENT)

    assert (standing(many), standing(sorry)) == ((20, "warm"), (0, "cold"))


def test_same_facts_at_the_same_instant_give_the_same_score(club: Club) -> None:
    [ada] = club.people(1)
    for days in (0.1, 3.3, 7.7, 11.1, 50):
        club.interaction(ada, "visited", days=days)
    contact, at = Contact.objects.get(pk=ada), ago(0)

    first = explain(contact, at=at)
    club.people(50)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE newsletter_interaction SET received_at = now()")  # another order

    assert explain(contact, at=at) == first
    assert explain(contact, at=at + timedelta(days=30)).score < first.score


def test_change_is_recorded_with_its_reasons_and_wished_for(club: Club) -> None:
    [ada] = club.people(1)
    club.mail(ada, opened=1, clicked=1)

    done = rescore([ada], cause=EVENT)

    change = ScoreChange.objects.get(contact_id=ada)
    assert (change.old_score, change.new_score, change.old_tier, change.new_tier) == (
        0, 15, "", "warm",
    )  # fmt: skip
    assert change.why == {"opened": [1, 5.0], "clicked": [1, 10.0]}
    assert (done.contacts, done.changed, done.moves) == (1, 1, {("", "warm"): 1})
    assert wishes([ada]) == {ada: ("seg_warm", 15, "initial", 1)}


def test_wish_is_written_only_where_the_tier_changed(club: Club) -> None:
    same, other, cold = club.people(3)
    for one in (same, other):
        club.mail(one, clicked=1)
    rescore([same, other, cold], cause=EVENT)

    club.mail(same, opened=1)
    for _ in range(3):
        club.mail(other, clicked=1)
    done = rescore([same, other, cold], cause=EVENT)

    assert (done.changed, done.moved) == (2, 1)
    assert wishes([same, other, cold]) == {
        same: ("seg_warm", 10, "initial", 1),
        other: ("seg_hot", 40, "initial", 2),  # the first one was not carried out yet
        cold: (None, 0, "initial", 1),
    }


def test_nothing_is_written_where_nothing_changed(club: Club) -> None:
    people = club.people(3)
    rescore(people, cause=EVENT)
    before = ScoreChange.objects.count()

    assert rescore(people, cause=EVENT).changed == 0
    assert ScoreChange.objects.count() == before


def test_pages_of_any_size_take_two_statements(club: Club) -> None:
    people = club.people(500)
    for one in people[:20]:
        club.mail(one, clicked=1)

    with (
        CaptureQueriesContext(
            connection,
        ) as caught,
        transaction.atomic(),
    ):
        rescore(people, cause=EVENT)

    assert len([one for one in caught if "SAVEPOINT" not in one["sql"]]) == 2


def test_looking_changes_nothing(club: Club) -> None:
    [ada] = club.people(1)
    club.mail(ada, clicked=1)

    found = look(Selection.these([ada]), at=ago(0))

    assert (found.changed, found.moves) == (1, {("", "warm"): 1})
    assert standing(ada) == (0, "")
    assert not ScoreChange.objects.exists()
    assert not SegmentWish.objects.exists()


def test_explanation_adds_up_to_the_score(club: Club) -> None:
    [ada] = club.people(1)
    for _ in range(5):
        club.mail(ada, opened=1)
    club.mail(ada, clicked=2)
    rescore([ada], cause=EVENT)

    told = explain(Contact.objects.get(pk=ada))

    assert (told.score, told.tier.slug if told.tier else "") == standing(ada) == (30, "hot")
    assert [
        (part.rule.signal, part.times, part.points, part.is_bounded) for part in told.parts
    ] == [
        ("opened", 5, 20.0, True),
        ("clicked", 1, 10.0, False),
    ]
    assert told.sentence == "5 x opened (20) + 1 x clicked (10) = 30, so 30."
    assert [rule.signal for rule in told.silent] == ["complained", "visited"]


def test_other_brands_rules_do_not_count(club: Club) -> None:
    other = make_club()
    ScoreRule.objects.filter(brand=other.brand).update(points=100, window_days=400)
    [ada], [eve] = club.people(1), other.people(1)
    for one, house in ((ada, club), (eve, other)):
        house.mail(one, clicked=1)

    rescore([ada, eve], cause=EVENT)

    assert (standing(ada)[0], standing(eve)[0]) == (10, 100)


def test_two_tiers_cannot_begin_at_one_score(club: Club) -> None:
    with pytest.raises(IntegrityError, match="tier_once_per_score"), transaction.atomic():
        Tier.objects.create(brand=club.brand, slug="twin", name="twin", min_score=10)


def test_recomputation_counts_everybody_and_goes_on_where_it_was(club: Club) -> None:
    people = club.people(25)
    for one in people[5:]:
        club.mail(one, clicked=1)
    run = recomputing.start(brand_id=club.brand.pk, cause=ScoreChange.Cause.COMMAND)

    recomputing.advance_page(run_id=run.pk, size=10)
    again = recomputing.start(brand_id=club.brand.pk, cause=ScoreChange.Cause.NIGHTLY)
    while recomputing.advance_page(run_id=run.pk, size=10) is not None:
        pass

    run.refresh_from_db()
    assert again.pk == run.pk
    assert (run.contacts, run.changed, run.moved) == (25, 25, 25)
    assert run.finished_at is not None
    assert {standing(one) for one in people[5:]} == {(10, "warm")}
    assert [due.task for due in recomputing.due_runs()] == []


def test_night_counts_each_brand_that_has_rules(club: Club) -> None:
    make_house()  # without

    assert recomputing.start_nightly() == 1
    assert [run.brand_id for run in Recomputation.objects.all()] == [club.brand.pk]
    assert [due.ids for due in recomputing.due_runs()] == [
        {"run_id": Recomputation.objects.get().pk}
    ]


def test_click_rescores_the_person_once_it_was_applied() -> None:
    house: House = make_house()
    ScoreRule.objects.create(brand=house.brand, signal="clicked", points=10)
    Tier.objects.create(brand=house.brand, slug="warm", name="Warm", min_score=10)
    mailing = house.planned(2)
    touched.rescore_touched()
    first, second = mailing.messages.order_by("pk")
    arrive(house.account, body("email.clicked", first, click={"link": "https://shop.example/"}))
    arrive(house.account, body("email.delivered", second))
    apply_events()

    done = touched.rescore_touched()

    assert (done.contacts, done.moves) == (1, {("", "warm"): 1})
    assert standing(first.contact_id or 0) == (10, "warm")
    assert not list(touched.due_touched())


def test_event_that_waits_to_be_applied_is_not_passed(house_waiting: House) -> None:
    done = touched.rescore_touched()

    assert done.contacts == 0
    assert not list(touched.due_touched())


@pytest.fixture
def house_waiting() -> House:
    house = make_house()
    mailing = house.planned(1)
    touched.rescore_touched()
    message = mailing.messages.get()
    arrive(house.account, body("email.opened", message))
    return house


def test_interactions_and_consents_rescore_people(club: Club) -> None:
    touched.rescore_touched()
    [ada] = club.people(1)
    club.interaction(ada, "visited", days=0)
    club.interaction(None, "visited", days=0)

    done = touched.rescore_touched()

    assert (done.contacts, standing(ada)) == (1, (4, "cold"))
