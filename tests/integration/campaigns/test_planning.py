"""Planning goes on where it stopped, stops when it is told to, and is woken when it is due."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.campaigns import controlling, counting, launching, planning
from apps.campaigns.errors import NotLaunchedError
from apps.contacts.models import Topic
from apps.mail import mailings, results
from apps.mail import planning as mail_planning
from apps.mail.errors import StateError
from apps.mail.models import AudiencePage, Batch, Mailing, Message
from apps.queues.names import TaskName
from apps.queues.sweeping import Due
from tests.factories.brands import SenderFactory
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.campaigns.models import Campaign

MORE_THAN_TWO_PAGES = 2 * mail_planning.PAGE_SIZE + 500


def launched(newsroom: Newsroom, number: int, **fields: Any) -> Campaign:
    newsroom.add_people(number)
    return launching.launch(campaign_id=newsroom.campaign(**fields).pk, by="anna")


def mailing_of(campaign: Campaign) -> Mailing:
    campaign.refresh_from_db()
    assert campaign.mailing is not None
    return campaign.mailing


def test_pages_are_planned_to_the_end_and_senders_woken_after_each(
    newsroom: Newsroom, enqueued: list[Any]
) -> None:
    campaign = launched(newsroom, MORE_THAN_TWO_PAGES)
    account = mailing_of(campaign).account_id
    enqueued.clear()

    pages = planning.plan_audience(campaign_id=campaign.pk)

    assert pages == 3
    assert Message.objects.of(mailing_of(campaign)).count() == MORE_THAN_TWO_PAGES
    assert enqueued == [
        *[(TaskName.SEND_BATCHES, {"account_id": account})] * 3,
        (TaskName.CLOSE_MAILINGS, {}),
    ]


def test_second_wake_up_finds_nothing_to_do(newsroom: Newsroom, enqueued: list[Any]) -> None:
    campaign, mailing = newsroom.launched(10)
    enqueued.clear()

    assert planning.plan_audience(campaign_id=campaign.pk) == 0

    assert Message.objects.of(mailing).count() == 10
    assert TaskName.SEND_BATCHES not in [task for task, _ in enqueued]


def test_turn_that_ends_first_enqueues_itself(newsroom: Newsroom, enqueued: list[Any]) -> None:
    campaign = launched(newsroom, 10)
    enqueued.clear()

    pages = planning.plan_audience(campaign_id=campaign.pk, turn_seconds=0)

    assert pages == 0
    assert enqueued == [(TaskName.PLAN_AUDIENCE, {"campaign_id": campaign.pk})]


def test_everybody_skipped_still_completes_the_mailing(newsroom: Newsroom) -> None:
    campaign = launched(newsroom, 3)
    newsroom.suppress(1, 2, 3)

    planning.plan_audience(campaign_id=campaign.pk)
    mailings.close_finished()

    assert mailing_of(campaign).state == "completed"
    assert results.progress(mailing_of(campaign)).skipped_by_reason == {"hard_bounce": 3}


def test_draft_is_not_planned(newsroom: Newsroom) -> None:
    with pytest.raises(NotLaunchedError):
        planning.plan_audience(campaign_id=newsroom.campaign().pk)


def test_statements_per_page_are_constant(
    newsroom: Newsroom, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    rules = {"everyone": True, "exclude": {"traits": [{"trait": "plan", "is": "x"}]}}
    small = launched(newsroom, 10, audience=rules)
    one_page = count_statements(lambda: planning.plan_audience(campaign_id=small.pk))
    newsroom.add_people(MORE_THAN_TWO_PAGES, start=1_000)
    large = launching.launch(campaign_id=newsroom.campaign(audience=rules).pk, by="anna")

    three_pages = count_statements(lambda: planning.plan_audience(campaign_id=large.pk))

    # A savepoint and its release (a transaction elsewhere), the row, the page, the cursor.
    assert three_pages - one_page == 2 * 5


def test_topic_that_is_renamed_between_pages_changes_nobody(newsroom: Newsroom) -> None:
    ann = newsroom.add_person("ann")
    newsroom.add_person("bob")
    newsroom.add_topic("quiet", ann)
    rules = {"everyone": True, "exclude": {"topics": ["quiet"]}}
    campaign = launching.launch(campaign_id=newsroom.campaign(audience=rules).pk, by="anna")
    Topic.objects.update(slug="renamed")

    planning.plan_audience(campaign_id=campaign.pk)

    message = Message.objects.of(mailing_of(campaign)).get(contact_id=ann.pk)
    assert (message.state, message.reason) == ("skipped", "excluded")


# --- Pause and cancel -------------------------------------------------------------------------


@pytest.mark.parametrize("halt", [controlling.pause, controlling.cancel])
def test_halted_campaign_plans_no_further_page(
    newsroom: Newsroom,
    monkeypatch: pytest.MonkeyPatch,
    enqueued: list[Any],
    halt: Callable[..., None],
) -> None:
    campaign = launched(newsroom, MORE_THAN_TWO_PAGES)
    enqueued.clear()
    after_first_page(
        monkeypatch, lambda: halt(campaign_id=campaign.pk, by="anna", reason="wrong price")
    )

    assert planning.plan_audience(campaign_id=campaign.pk) == 1

    assert TaskName.PLAN_AUDIENCE not in [task for task, _ in enqueued]
    mailing = mailing_of(campaign)
    assert mailing.state_reason == "anna: wrong price"
    assert Message.objects.of(mailing).count() == mail_planning.PAGE_SIZE


def test_resumed_campaign_is_planned_to_the_end(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, enqueued: list[Any]
) -> None:
    campaign = launched(newsroom, MORE_THAN_TWO_PAGES)
    after_first_page(monkeypatch, lambda: controlling.pause(campaign_id=campaign.pk, by="anna"))
    planning.plan_audience(campaign_id=campaign.pk)
    enqueued.clear()

    controlling.resume(campaign_id=campaign.pk, by="anna")
    planning.plan_audience(campaign_id=campaign.pk)

    assert (TaskName.PLAN_AUDIENCE, {"campaign_id": campaign.pk}) in enqueued
    assert Message.objects.of(mailing_of(campaign)).count() == MORE_THAN_TWO_PAGES


def after_first_page(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    real, acted = mailings.wake_senders, list[bool]()

    def wake_then_act(*, account_id: int) -> None:
        real(account_id=account_id)
        if not acted:
            acted.append(True)
            act()

    monkeypatch.setattr(mailings, "wake_senders", wake_then_act)


def test_draft_cannot_be_steered(newsroom: Newsroom) -> None:
    draft = newsroom.campaign().pk

    for steer in (controlling.pause, controlling.resume, controlling.cancel):
        with pytest.raises(NotLaunchedError):
            steer(campaign_id=draft, by="anna")
    with pytest.raises(NotLaunchedError):
        controlling.retry_failed(campaign_id=draft, by="anna")


def test_state_that_does_not_allow_it_is_told(newsroom: Newsroom) -> None:
    campaign, _ = newsroom.launched(1)

    with pytest.raises(StateError, match="is running; only one that is paused"):
        controlling.resume(campaign_id=campaign.pk, by="anna")


# --- The sweeper ------------------------------------------------------------------------------


def age(seconds: float) -> None:
    """As if everything had happened so long ago."""
    with connection.cursor() as cursor:
        for table, column in (
            ("mail_mailing", "state_changed_at"),
            ("mail_audiencepage", "created_at"),
        ):
            cursor.execute(
                f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", [seconds]
            )


def test_campaign_whose_planner_is_silent_is_due(newsroom: Newsroom) -> None:
    campaign = launched(newsroom, 10)

    assert planning.due_audiences() == []
    age(10)
    assert planning.due_audiences() == [
        Due(TaskName.PLAN_AUDIENCE, 1, {"campaign_id": campaign.pk})
    ]


def test_campaign_whose_planner_made_a_page_just_now_is_not_due(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launched(newsroom, MORE_THAN_TWO_PAGES)
    age(10)
    mail_planning.plan_page(
        mailing_id=mailing_of(campaign).pk, selection=planning.frozen_selection(campaign)
    )

    assert planning.due_audiences() == []
    age(10)
    assert len(list(planning.due_audiences())) == 1


def test_paused_cancelled_and_planned_campaigns_are_not_due(newsroom: Newsroom) -> None:
    newsroom.launched(10)
    for halt in (controlling.pause, controlling.cancel):
        campaign = launching.launch(campaign_id=newsroom.campaign().pk, by="anna")
        halt(campaign_id=campaign.pk, by="anna")
    age(10)

    assert planning.due_audiences() == []


# --- Killed -----------------------------------------------------------------------------------


def plan_and_stop_after_the_first_page(campaign_id: int, reached: Any) -> None:
    """Runs in a process of its own, until somebody kills it."""

    def sleep_instead(*, account_id: int) -> None:
        reached.set()
        time.sleep(60)

    mailings.wake_senders = sleep_instead
    planning.plan_audience(campaign_id=campaign_id)


@pytest.mark.django_db(transaction=True)
def test_killed_planner_is_followed_by_one_that_goes_on_exactly_there() -> None:
    newsroom = Newsroom(SenderFactory.create())
    campaign = launched(newsroom, MORE_THAN_TWO_PAGES)
    counted = counting.count(
        planning.frozen_selection(campaign), brand_id=newsroom.brand.pk
    ).would_get
    processes = multiprocessing.get_context("fork")
    reached = processes.Event()
    connection.close()  # a forked process must not share it
    planner = processes.Process(
        target=plan_and_stop_after_the_first_page, args=(campaign.pk, reached)
    )
    planner.start()

    assert reached.wait(60)
    os.kill(planner.pid or 0, signal.SIGKILL)
    planner.join()
    assert AudiencePage.objects.count() == 1
    pages = planning.plan_audience(campaign_id=campaign.pk)

    mailing = mailing_of(campaign)
    messages = Message.objects.of(mailing)
    assert pages == 2
    assert messages.count() == messages.values("contact_id").distinct().count() == counted
    assert sum(Batch.objects.values_list("size", flat=True)) == counted
    assert mailing.audience_completed_at is not None
