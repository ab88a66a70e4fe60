"""Sequences: who enters, when a step leaves, once and never again, whatever is run twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts.models import Contact
from apps.mail import results
from apps.mail.models import Batch, Mailing, Message
from apps.newsletter.models import (
    Enrolment,
    RunRecord,
    Sequence,
    SequenceStep,
    StepMail,
    StepMailing,
)
from apps.newsletter.sequences import advancing, entering, publishing, reviewing
from tests.factories.contacts import SuppressionFactory, TopicFactory, TopicSubscriptionFactory
from tests.factories.newsletter import add_people, add_steps, started_sequence

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def states(sequence: Sequence) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Enrolment.objects.filter(sequence=sequence).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def due_now() -> None:
    Enrolment.objects.waiting().update(due_at=datetime.now(tz=UTC) - timedelta(minutes=1))


def first_step(sequence: Sequence) -> SequenceStep:
    assert sequence.current is not None
    return sequence.current.steps.earliest("position")


def statements(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        call()
    return len(queries)


def test_everybody_gets_each_step_once_in_batches_of_a_hundred() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 250)

    entered = entering.enter_all()
    first = advancing.advance_due()
    second = advancing.advance_due()

    assert entered == 250
    assert (first.due, first.planned) == (250, 250)
    assert (second.due, second.planned) == (250, 250)
    assert states(sequence) == {"finished": 250}
    sizes = list(Batch.objects.order_by("mailing", "-size").values_list("size", flat=True))
    assert sizes == [100, 100, 50] * 2
    assert advancing.advance_due().due == 0


def test_rerun_of_a_page_sends_nothing_again_and_goes_on() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 5)
    entering.enter_all()
    advancing.advance_due()
    Enrolment.objects.update(position=1)  # a partial set: as if going on had been lost

    again = advancing.advance_due()

    assert (again.due, again.planned, again.known) == (5, 0, 5)
    assert Message.objects.count() == StepMail.objects.count() == 5


def test_page_that_dies_in_its_middle_has_done_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 5)
    entering.enter_all()

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(advancing, "_go_on", die)
        with pytest.raises(RuntimeError):
            advancing.advance_due()

    assert not Message.objects.exists()
    assert not StepMail.objects.exists()
    assert RunRecord.objects.get(name="sequence.step").outcome == "failed"
    assert advancing.advance_due().planned == 5


def test_statements_do_not_grow_with_people() -> None:
    sequence = started_sequence()
    step = first_step(sequence)
    counts = []
    for start, number in ((1, 1), (10, 1), (100, 2000)):
        add_people(sequence.brand_id, number, start=start, zone="Asia/Tokyo")
        entering.enter_all()
        counts.append(statements(lambda: advancing.advance_page(step)))

    assert Message.objects.count() == 2002
    assert counts[2] == counts[1] <= 18  # the first makes the month's mailing


def test_people_wait_for_the_window_where_they_are() -> None:
    now = datetime.now(tz=UTC)
    open_hour = {"hour_from": now.hour, "hour_until": now.hour + 1}
    sequence = started_sequence(steps=[{"wait": 0, **open_hour}])
    add_people(sequence.brand_id, 2)
    add_people(sequence.brand_id, 3, start=10, zone="Asia/Tokyo")
    entering.enter_all()
    due_now()

    page = advancing.advance_due()

    assert (page.planned, page.put_off) == (2, 3)
    assert all(one.due_at and one.due_at > now for one in Enrolment.objects.waiting())


def test_who_may_not_be_mailed_is_skipped_with_a_reason_and_leaves() -> None:
    sequence = started_sequence()
    people = add_people(sequence.brand_id, 2)
    entering.enter_all()
    SuppressionFactory.create(address=Contact.objects.get(pk=people[0]).address)

    page = advancing.advance_due()

    assert (page.planned, page.skipped) == (1, 1)
    left = Enrolment.objects.get(contact_id=people[0])
    assert (left.state, left.ended_reason) == ("exited", "hard_bounce")
    mailing = Mailing.objects.get()
    assert results.differences(results.progress(mailing), results.results(mailing)) == {}


def test_who_paused_waits_and_misses_no_step() -> None:
    sequence = started_sequence()
    (person,) = add_people(sequence.brand_id, 1)
    entering.enter_all()
    until = datetime.now(tz=UTC) + timedelta(days=30)
    Contact.objects.filter(pk=person).update(paused_until=until)

    page = advancing.advance_due()

    assert (page.put_off, page.planned) == (1, 0)
    assert Enrolment.objects.get().due_at == until


def test_goal_ends_it_and_is_counted_though_nothing_is_due() -> None:
    topic = TopicFactory.create()
    sequence = started_sequence(
        brand=topic.brand,
        sender__brand=topic.brand,
        steps=[{"wait": 5}],
        rules=({"purpose": "goal", "kind": "topic_in", "topic": topic},),
    )
    people = add_people(sequence.brand_id, 2)
    entering.enter_all()
    TopicSubscriptionFactory.create(topic=topic, contact_id=people[0])

    assert reviewing.review() == 1

    assert states(sequence) == {"goal": 1, "active": 1}
    assert Enrolment.objects.get(state="goal").ended_reason.startswith("opted in to the topic")


def test_exit_before_a_step_counts_at_that_step_only() -> None:
    topic = TopicFactory.create()
    rule = {"purpose": "exit", "kind": "topic_out", "topic": topic, "before_step": 2}
    sequence = started_sequence(brand=topic.brand, sender__brand=topic.brand, rules=(rule,))
    add_people(sequence.brand_id, 1)
    entering.enter_all()

    first, second = advancing.advance_due(), advancing.advance_due()

    assert (first.planned, first.ended) == (1, 0)
    assert (second.planned, second.ended) == (0, 1)


def test_machine_clicks_move_nobody_and_clicks_of_people_do() -> None:
    rule = {"purpose": "goal", "kind": "click"}
    sequence = started_sequence(steps=[{"wait": 0}, {"wait": 5}], rules=(rule,))
    people = add_people(sequence.brand_id, 2)
    entering.enter_all()
    advancing.advance_due()
    now = datetime.now(tz=UTC)
    Message.objects.filter(contact_id=people[0]).update(machine_clicked_at=now)
    Message.objects.filter(contact_id=people[1]).update(clicked_at=now)

    reviewing.review()

    assert Enrolment.objects.get(contact_id=people[0]).state == "active"
    assert Enrolment.objects.get(contact_id=people[1]).state == "goal"


def test_only_what_happened_since_the_start_lets_people_in() -> None:
    topic = TopicFactory.create()
    before = TopicSubscriptionFactory.create(
        topic=topic, contact__brand=topic.brand, changed_at=datetime(2025, 1, 1, tzinfo=UTC)
    )
    sequence = started_sequence(
        brand=topic.brand,
        sender__brand=topic.brand,
        takes_everybody=False,
        rules=({"purpose": "entry", "kind": "topic_in", "topic": topic},),
    )
    Sequence.objects.update(enters_since=datetime.now(tz=UTC) - timedelta(minutes=1))
    (person,) = add_people(sequence.brand_id, 1)
    TopicSubscriptionFactory.create(topic=topic, contact_id=person)

    entering.enter_all()

    assert set(Enrolment.objects.values_list("contact_id", flat=True)) == {person}
    assert before.contact_id != person


def test_nobody_enters_twice_and_nobody_again_before_the_time() -> None:
    sequence = started_sequence(steps=[{"wait": 0}], again_after_days=32)
    add_people(sequence.brand_id, 1)
    entering.enter_all()
    advancing.advance_due()

    assert entering.enter_all() == 0
    long_ago = datetime.now(tz=UTC) - timedelta(days=40)
    Enrolment.objects.update(ended_at=long_ago, moved_at=long_ago)

    assert entering.enter_all() == 1


def test_paused_sequence_sends_nothing_until_it_goes_on() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 3)
    entering.enter_all()
    advancing.advance_due()
    Sequence.objects.update(state="paused")

    assert advancing.advance_due().due == 0
    assert advancing.advance_page(first_step(sequence)).due == 0


def test_people_moved_to_a_new_version_get_no_step_twice() -> None:
    sequence = started_sequence(steps=[{"wait": 0}, {"wait": 0}])
    add_people(sequence.brand_id, 2)
    entering.enter_all()
    advancing.advance_due()
    draft = publishing.draft_of(sequence_id=sequence.pk)
    draft.steps.filter(position=2).delete()
    add_steps(draft, [{"position": 2, "wait": 0, "name": "New"}, {"position": 3, "wait": 0}])
    draft.steps.filter(position=3).delete()

    published = publishing.publish(version_id=draft.pk, old_people="move", actor="anna")
    advancing.advance_due()

    assert published.moved == 2
    assert states(sequence) == {"finished": 2}
    assert StepMail.objects.filter(step__version=published, step__name="New").count() == 2
    assert StepMail.objects.count() == 4


def test_people_who_finish_the_old_version_get_its_steps() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 2)
    entering.enter_all()
    advancing.advance_due()
    old = sequence.current
    draft = publishing.draft_of(sequence_id=sequence.pk)

    publishing.publish(version_id=draft.pk, old_people="finish", actor="anna")
    advancing.advance_due()

    assert StepMail.objects.filter(step__version=old, step__position=2).count() == 2


def test_mailings_of_past_months_are_finished() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 1)
    entering.enter_all()
    advancing.advance_due()
    StepMailing.objects.update(month=datetime(2025, 1, 1, tzinfo=UTC).date())

    reviewing.review()

    assert Mailing.objects.get().audience_completed_at is not None
