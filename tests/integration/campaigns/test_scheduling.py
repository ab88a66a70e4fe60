"""Started at its time, or missed with a reason, whatever happens in between."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from apps.campaigns import approving, checking, drafting, launching, scheduling
from apps.campaigns.checking import DomainsUnknownError
from apps.campaigns.errors import (
    AlreadyLaunched,
    AmbiguousTimeError,
    ChangedMeanwhileError,
    InvalidScheduleError,
    LaunchRefused,
    NotScheduledError,
    ScheduledError,
    SkippedTimeError,
    TooLateError,
)
from apps.campaigns.models import Campaign
from apps.mail.models import Mailing, Template
from apps.queues.names import TaskName
from apps.queues.sweeping import Due
from tests.factories.brands import SenderFactory
from tests.integration.campaigns.conftest import Newsroom
from tests.unit.campaigns.domains import FakeDomains

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = timedelta(hours=1)


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    newsroom.add_people(3)
    return newsroom.campaign()


def soon() -> datetime:
    return datetime.now(tz=UTC) + HOUR


def scheduled(campaign: Campaign, *, minutes_ago: float = 0, window: timedelta = HOUR) -> Campaign:
    """Scheduled for a while ago, as after an outage; 0 minutes: in an hour."""
    at = soon()
    scheduling.schedule(campaign_id=campaign.pk, at=at, latest_start=at + window, actor="anna")
    if minutes_ago:
        at = datetime.now(tz=UTC) - timedelta(minutes=minutes_ago)
        Campaign.objects.filter(pk=campaign.pk).update(scheduled_at=at, latest_start=at + window)
    return fresh(campaign)


def fresh(campaign: Campaign) -> Campaign:
    return Campaign.objects.with_parts().get(pk=campaign.pk)


# --- Scheduling -------------------------------------------------------------------------------


def test_schedule_reads_times_in_the_brands_zone(newsroom: Newsroom, campaign: Campaign) -> None:
    newsroom.brand.timezone = "America/New_York"
    newsroom.brand.save()
    tomorrow = (datetime.now(tz=UTC) + timedelta(days=1)).replace(
        hour=9, minute=0, second=0, microsecond=0, tzinfo=None
    )

    found = scheduling.schedule(
        campaign_id=campaign.pk, at=tomorrow, latest_start=tomorrow + 4 * HOUR, actor="anna"
    )

    zone = ZoneInfo("America/New_York")
    assert found.state == "scheduled"
    assert found.scheduled_by == "anna"
    assert found.scheduled_at == tomorrow.replace(tzinfo=zone)
    assert found.latest_start == tomorrow.replace(tzinfo=zone) + 4 * HOUR


def test_times_that_clock_changes_make_doubtful_are_not_guessed(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    newsroom.brand.timezone = "Europe/Berlin"
    newsroom.brand.save()
    year = datetime.now(tz=UTC).year + 1
    spring, autumn = (datetime.fromisoformat(f"{year}-{month}-31T02:30") for month in ("03", "10"))
    spring -= timedelta(days=(spring.weekday() + 1) % 7)
    autumn -= timedelta(days=(autumn.weekday() + 1) % 7)

    with pytest.raises(SkippedTimeError):
        scheduling.schedule(
            campaign_id=campaign.pk, at=spring, latest_start=spring + 5 * HOUR, actor="anna"
        )
    with pytest.raises(AmbiguousTimeError) as caught:
        scheduling.schedule(
            campaign_id=campaign.pk, at=autumn - HOUR, latest_start=autumn, actor="anna"
        )

    assert len(caught.value.choices) == 2
    assert fresh(campaign).state == "draft"


@pytest.mark.parametrize(
    ("at", "latest", "words"),
    [
        (HOUR, timedelta(minutes=59), "latest_start: must not be before"),
        (-2 * HOUR, -HOUR, "latest_start: .* is over"),
        (-HOUR, HOUR, "at: .* is over"),
        (timedelta(days=367), timedelta(days=368), "at: at most 366 days"),
        (HOUR, timedelta(days=8), "latest_start: at most 7 days"),
    ],
)
def test_times_that_do_not_fit_are_refused(
    campaign: Campaign, at: timedelta, latest: timedelta, words: str
) -> None:
    now = datetime.now(tz=UTC)

    with pytest.raises(InvalidScheduleError, match=words):
        scheduling.schedule(
            campaign_id=campaign.pk, at=now + at, latest_start=now + latest, actor="anna"
        )


def test_what_could_not_be_launched_is_not_scheduled(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    newsroom.brand.postal_address = ""
    newsroom.brand.save()

    with pytest.raises(LaunchRefused, match="postal address"):
        scheduled(campaign)

    assert fresh(campaign).state == "draft"


def test_change_during_the_check_stops_scheduling(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_while_somebody_writes(*_: Any) -> list[Any]:
        Template.objects.update(subject="Other")
        return []

    monkeypatch.setattr(checking, "check", check_while_somebody_writes)

    with pytest.raises(ChangedMeanwhileError):
        scheduled(campaign)


def test_unscheduled_is_a_draft_again(campaign: Campaign) -> None:
    scheduled(campaign)

    scheduling.unschedule(campaign_id=campaign.pk, actor="bert")

    assert fresh(campaign).state == "draft"
    assert list(scheduling.due_starts()) == []
    with pytest.raises(NotScheduledError):
        scheduling.unschedule(campaign_id=campaign.pk, actor="bert")


# --- Changing what is scheduled ---------------------------------------------------------------


def test_scheduled_campaign_and_its_template_are_not_changed(campaign: Campaign) -> None:
    scheduled(campaign)
    template = campaign.template
    changes: list[Callable[[], object]] = [
        lambda: drafting.change_audience(
            campaign_id=campaign.pk, audience={"everyone": True}, actor="anna"
        ),
        lambda: drafting.change_details(
            campaign_id=campaign.pk, name="Other", sender=campaign.sender, actor="anna"
        ),
        lambda: drafting.change_content(
            campaign_id=campaign.pk, subject="x", html="x", text="", actor="anna"
        ),
        lambda: drafting.write_template(
            brand=template.brand, slug=template.slug, subject="x", html="x", text="", actor="anna"
        ),
        lambda: drafting.delete_draft(campaign_id=campaign.pk, actor="anna"),
    ]

    for change in changes:
        with pytest.raises(ScheduledError, match="Unschedule it first"):
            change()

    assert fresh(campaign).state == "scheduled"


def test_edit_past_the_refusals_sends_nothing(campaign: Campaign) -> None:
    scheduled(campaign, minutes_ago=1)
    Template.objects.update(subject="Slipped in")

    scheduling.start_scheduled(campaign_id=campaign.pk)

    found = fresh(campaign)
    assert (found.state, found.mailing) == ("missed", None)
    assert "changed after it was scheduled" in found.missed_reason


# --- The start --------------------------------------------------------------------------------


def test_due_campaign_is_launched_in_the_name_of_who_scheduled_it(campaign: Campaign) -> None:
    scheduled(campaign, minutes_ago=1)

    assert list(scheduling.due_starts()) == [
        Due(TaskName.START_SCHEDULED, 1, {"campaign_id": campaign.pk})
    ]
    scheduling.start_scheduled(campaign_id=campaign.pk)

    assert (fresh(campaign).state, fresh(campaign).launched_by) == ("running", "anna")
    assert list(scheduling.due_starts()) == []


def test_nothing_is_started_before_its_time(campaign: Campaign) -> None:
    scheduled(campaign)

    assert list(scheduling.due_starts()) == []
    scheduling.start_scheduled(campaign_id=campaign.pk)

    assert fresh(campaign).state == "scheduled"


def test_after_an_outage_beyond_the_latest_start_nothing_is_sent(campaign: Campaign) -> None:
    scheduled(campaign, minutes_ago=90, window=HOUR)

    scheduling.start_scheduled(campaign_id=campaign.pk)

    found = fresh(campaign)
    assert found.state == "missed"
    assert found.missed_reason.startswith("It could not be started by ")
    assert not Mailing.objects.exists()
    assert list(scheduling.due_starts()) == []


def test_latest_start_is_looked_at_once_more_when_all_is_checked(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled(campaign, minutes_ago=1)
    real = checking.check

    def check_slowly(*args: Any) -> list[checking.Problem]:
        found = real(*args)
        Campaign.objects.update(latest_start=Now(), scheduled_at=Now() - HOUR)
        return found

    monkeypatch.setattr(checking, "check", check_slowly)

    with pytest.raises(TooLateError):
        launching.launch(campaign_id=campaign.pk, by="anna", on_schedule=True)

    assert not Mailing.objects.exists()


def test_provider_that_is_away_is_tried_again_until_the_latest_start(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    scheduled(campaign, minutes_ago=1)
    type(newsroom.sender).objects.update(verified_at=None)
    away = FakeDomains(failure=DomainsUnknownError("away"))

    scheduling.start_scheduled(campaign_id=campaign.pk, client=away)
    scheduling.start_scheduled(campaign_id=campaign.pk, client=away)

    assert (fresh(campaign).state, away.calls) == ("scheduled", 1)
    assert list(scheduling.due_starts()) == []

    later = datetime.now(tz=UTC) - timedelta(seconds=scheduling.TRY_EVERY_SECONDS + 1)
    Campaign.objects.update(start_tried_at=later)
    domain = newsroom.sender.domain
    assert len(list(scheduling.due_starts())) == 1
    scheduling.start_scheduled(
        campaign_id=campaign.pk, client=FakeDomains(statuses={domain: "verified"})
    )
    assert fresh(campaign).state == "running"


def test_what_stands_against_the_start_is_told_and_nothing_sent(
    newsroom: Newsroom, campaign: Campaign
) -> None:
    scheduled(campaign, minutes_ago=1)
    newsroom.brand.postal_address = ""
    newsroom.brand.save()

    scheduling.start_scheduled(campaign_id=campaign.pk)

    assert "has no postal address" in fresh(campaign).missed_reason


def test_missed_campaign_may_be_scheduled_again_or_launched(campaign: Campaign) -> None:
    scheduled(campaign, minutes_ago=90)
    scheduling.start_scheduled(campaign_id=campaign.pk)
    assert fresh(campaign).state == "missed"

    assert scheduled(campaign).state == "scheduled"
    scheduled(campaign, minutes_ago=90)
    scheduling.start_scheduled(campaign_id=campaign.pk)
    launching.launch(campaign_id=campaign.pk, by="bert")

    assert (fresh(campaign).state, fresh(campaign).missed_reason) == ("running", "")
    with pytest.raises(AlreadyLaunched):
        scheduled(campaign)


@pytest.mark.django_db(transaction=True)
def test_starts_at_once_and_a_hand_on_the_button_launch_once() -> None:
    newsroom = Newsroom(SenderFactory.create())
    newsroom.add_people(3)
    campaign = newsroom.campaign()
    scheduled(campaign, minutes_ago=1)
    ready = threading.Barrier(4)

    def start(number: int) -> None:
        try:
            ready.wait()
            if number:
                scheduling.start_scheduled(campaign_id=campaign.pk)
            else:
                launching.launch(campaign_id=campaign.pk, by="bert")
        except AlreadyLaunched:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert fresh(campaign).mailing == Mailing.objects.get()


def test_approval_is_asked_for_at_the_start_too(newsroom: Newsroom, campaign: Campaign) -> None:
    newsroom.brand.requires_approval = True
    newsroom.brand.save()
    with pytest.raises(LaunchRefused, match="second person"):
        scheduled(campaign)

    request = approving.request_approval(campaign_id=campaign.pk, actor="anna")
    approving.approve(campaign_id=campaign.pk, seen=request.fingerprint, actor="bert")
    scheduled(campaign, minutes_ago=1)
    scheduling.start_scheduled(campaign_id=campaign.pk)

    assert fresh(campaign).state == "running"


# --- What the database itself refuses -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"scheduled_by": "x"}, "campaign_scheduled_all_or_nothing"),
        ({"scheduled_at": Now()}, "campaign_scheduled_all_or_nothing"),
        ({"missed_reason": "x"}, "campaign_missed_with_reason"),
        (
            {
                "scheduled_at": Now(),
                "latest_start": Now() - HOUR,
                "scheduled_by": "x",
                "scheduled_as": "x",
            },
            "campaign_scheduled_all_or_nothing",
        ),
    ],
)
def test_schedule_is_whole(campaign: Campaign, fields: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(**fields)
