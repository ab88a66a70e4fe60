"""Launched once, whoever presses the button how often; and then it stays as it was launched."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.campaigns import checking, launching
from apps.campaigns.errors import (
    AlreadyLaunched,
    CampaignError,
    ChangedMeanwhileError,
    CountChangedError,
)
from apps.campaigns.models import Campaign
from apps.contacts.models import Topic
from apps.mail.models import Content, Mailing, Template
from apps.queues.names import TaskName
from tests.factories.brands import SenderFactory
from tests.factories.mail import HTML, MailingFactory
from tests.integration.campaigns.conftest import Newsroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoCaptureOnCommitCallbacks


@pytest.fixture
def campaign(newsroom: Newsroom) -> Campaign:
    newsroom.add_people(10)
    return newsroom.campaign()


def test_launch_makes_the_mailing_and_wakes_the_planner(
    campaign: Campaign, enqueued: list[Any]
) -> None:
    launched = launching.launch(campaign_id=campaign.pk, by="anna")

    assert launched.mailing is not None
    assert (launched.state, launched.launched_by) == ("running", "anna")
    assert launched.mailing.name == campaign.name
    assert launched.mailing.mail_class == "commercial"
    assert enqueued == [(TaskName.PLAN_AUDIENCE, {"campaign_id": campaign.pk})]


def test_wake_up_waits_for_the_commit(
    campaign: Campaign, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        launching.launch(campaign_id=campaign.pk, by="anna")

    assert len(callbacks) == 1


def test_second_launch_is_refused_with_who_and_when(campaign: Campaign) -> None:
    launching.launch(campaign_id=campaign.pk, by="anna")

    with pytest.raises(AlreadyLaunched, match=r"by anna at 20.* goes out once"):
        launching.launch(campaign_id=campaign.pk, by="bert")

    assert Mailing.objects.count() == 1


def test_number_of_statements_does_not_depend_on_the_number_of_people(
    newsroom: Newsroom, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    newsroom.add_people(10)
    first, second = newsroom.campaign(), newsroom.campaign()
    few = count_statements(lambda: launching.launch(campaign_id=first.pk, by="anna"))
    newsroom.add_people(1_000, start=1_000)

    many = count_statements(lambda: launching.launch(campaign_id=second.pk, by="anna"))

    assert many == few < 30


# --- What was checked is what goes out ----------------------------------------------------------


def test_texts_are_those_that_were_checked(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_check(monkeypatch, lambda: Template.objects.update(html="<p>No link, no address.</p>"))

    launched = launching.launch(campaign_id=campaign.pk, by="anna")

    assert launched.mailing is not None
    assert launched.mailing.content.html == HTML


@pytest.mark.parametrize(
    "change",
    [
        lambda: Campaign.objects.update(audience={"traits": [{"trait": "x", "exists": True}]}),
        lambda: Campaign.objects.update(sender=SenderFactory.create()),
        lambda: Campaign.objects.update(name="Other"),
        lambda: Topic.objects.update(slug="renamed"),
    ],
)
def test_change_during_the_check_stops_the_launch(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]
) -> None:
    newsroom.add_topic("news", newsroom.add_person("ann"))
    campaign = newsroom.campaign(audience={"topics": {"any": ["news"]}})
    after_check(monkeypatch, change)

    with pytest.raises(ChangedMeanwhileError):
        launching.launch(campaign_id=campaign.pk, by="anna")

    assert not Mailing.objects.exists()


def after_check(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    real = checking.check

    def check_then_change(*args: Any) -> list[checking.Problem]:
        problems = real(*args)
        change()
        return problems

    monkeypatch.setattr(checking, "check", check_then_change)


# --- The number that was confirmed ------------------------------------------------------------


@pytest.mark.parametrize(("confirmed", "launched"), [(200, True), (198, False), (204, False)])
def test_audience_must_still_be_the_one_confirmed(
    newsroom: Newsroom, *, confirmed: int, launched: bool
) -> None:
    newsroom.add_people(201)
    campaign = newsroom.campaign()

    if launched:
        launching.launch(campaign_id=campaign.pk, by="anna", expected_count=confirmed)
    else:
        words = f"You confirmed {confirmed} people, but now 201 would get it, and at most"
        with pytest.raises(CountChangedError, match=words):
            launching.launch(campaign_id=campaign.pk, by="anna", expected_count=confirmed)

    assert Mailing.objects.exists() is launched


def test_small_audience_must_be_exactly_the_one_confirmed(campaign: Campaign) -> None:
    with pytest.raises(CountChangedError):
        launching.launch(campaign_id=campaign.pk, by="anna", expected_count=11)


# --- The button pressed twice at once -----------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [2, 8])
def test_buttons_pressed_at_once_launch_once(times: int) -> None:
    newsroom = Newsroom(SenderFactory.create())
    newsroom.add_people(10)
    campaign = newsroom.campaign()
    ready, outcomes = threading.Barrier(times), []

    def press(name: str) -> None:
        try:
            ready.wait()
            launching.launch(campaign_id=campaign.pk, by=name)
            outcomes.append(f"launched by {name}")
        except CampaignError as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(f"hand {n}",)) for n in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    campaign.refresh_from_db()
    assert sorted(outcomes) == ["AlreadyLaunched"] * (times - 1) + [
        f"launched by {campaign.launched_by}"
    ]
    assert Mailing.objects.get() == campaign.mailing
    assert Content.objects.count() == 1


# --- What the database itself refuses -----------------------------------------------------------


def refused(change: Callable[[], object], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        change()


def test_launched_campaign_stays_as_it_is(newsroom: Newsroom) -> None:
    campaign, mailing = newsroom.launched(1)
    rows = Campaign.objects.filter(pk=campaign.pk)
    other = MailingFactory.create(sender=newsroom.sender)
    changes: list[dict[str, Any]] = [
        {"audience": {"everyone": True, "exclude": {"topics": ["x"]}}},
        {"frozen_references": {}},
        {"sender": SenderFactory.create(brand=newsroom.brand)},
        {"mailing": other},
        {"launched_by": "somebody else"},
        {"mailing": None, "launched_at": None, "launched_by": "", "frozen_references": None},
    ]

    for fields in changes:
        refused(lambda fields=fields: rows.update(**fields), "campaign_launched_stays")  # type: ignore[misc]  # a lambda with a default
    refused(rows.delete, "campaign_launched_stays")

    rows.update(name="A better name")
    campaign.refresh_from_db()
    assert (campaign.name, campaign.mailing) == ("A better name", mailing)


def test_draft_may_be_changed_and_deleted(campaign: Campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(audience={"topics": {"any": ["news"]}})

    campaign.delete()

    assert not Campaign.objects.exists()


def test_mailing_belongs_to_one_campaign(newsroom: Newsroom) -> None:
    campaign, mailing = newsroom.launched(1)
    draft = newsroom.campaign()
    launched: dict[str, Any] = {
        "mailing": mailing,
        "launched_at": campaign.launched_at,
        "launched_by": "bert",
        "frozen_references": {},
    }

    refused(
        lambda: Campaign.objects.filter(pk=draft.pk).update(**launched),
        "campaigns_campaign_mailing_id_key",
    )


def test_launched_is_all_or_nothing(newsroom: Newsroom, campaign: Campaign) -> None:
    rows = Campaign.objects.filter(pk=campaign.pk)
    mailing = MailingFactory.create(sender=newsroom.sender)

    refused(lambda: rows.update(mailing=mailing), "campaign_launched_all_or_nothing")
    refused(lambda: rows.update(launched_by="anna"), "campaign_launched_all_or_nothing")
    refused(lambda: rows.update(frozen_references={}), "campaign_launched_all_or_nothing")


def test_slugs_and_audiences_have_a_form(newsroom: Newsroom, campaign: Campaign) -> None:
    refused(lambda: newsroom.campaign(slug=campaign.slug), "campaign_slug_once_per_brand")
    refused(lambda: newsroom.campaign(slug="2026"), "campaign_slug_is_no_id")
    refused(lambda: newsroom.campaign(audience=[]), "campaign_audience_is_object")

    newsroom.campaign(slug="")
    newsroom.campaign(slug="")
    Newsroom(SenderFactory.create()).campaign(slug=campaign.slug)
