"""Home: what runs, what comes, what came of it, what needs a person, and only what one may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.brands.models import Brand, Grant, ProviderAccount
from apps.brands.rights import Right
from apps.campaigns.models import Approval, Campaign
from apps.mail.models import DailyFigure, Mailing
from apps.mail.reports.figures import DayFigures
from apps.queues import dead_letters
from apps.queues.names import Queue, TaskName
from apps.station.desk.charts import HEIGHT, WIDTH, charts
from tests.factories.brands import BrandFactory, SenderFactory
from tests.factories.campaigns import CampaignFactory
from tests.factories.mail import MailingFactory

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(tz=UTC)
HOME = "/admin/"


@pytest.fixture
def log_in(db: None) -> Callable[..., Client]:
    def make(brand: Brand, *rights: Right, name: str = "anna") -> Client:
        user = get_user_model().objects.create_user(name, password="x", is_staff=True)
        for right in rights:
            Grant.objects.create(user=user, brand=brand, right=right)
        client = Client()
        client.force_login(user)
        return client

    return make


def busy(name: str) -> Brand:
    """A brand with one of everything that home shows; all names begin with `name`."""
    sender = SenderFactory.create(brand__name=f"{name} brand", brand__timezone="Europe/Berlin")
    brand: Brand = sender.brand
    campaign(sender, f"{name} running", mailing=MailingFactory.create(sender=sender))
    paused = MailingFactory.create(
        sender=sender, state="paused", state_reason="429 daily_quota_exceeded"
    )
    campaign(sender, f"{name} paused", mailing=paused)
    MailingFactory.create(
        sender=sender, kind="stream", name=f"{name} stream", state="paused", state_reason="403"
    )
    MailingFactory.create(sender=sender, kind="stream", name=f"{name} quiet stream")
    over = MailingFactory.create(
        sender=sender, name=f"{name} over", state="completed", completed_at=NOW
    )
    for kind, number in {"sent": 4_000, "delivered": 3_900, "opened": 1_000}.items():
        DailyFigure.objects.create(
            brand=brand, mailing=over, day=NOW.date(), kind=kind, number=number
        )
    schedule = {
        "scheduled_at": NOW + timedelta(hours=2),
        "latest_start": NOW + timedelta(hours=4),
        "scheduled_by": "user:1 anna",
        "scheduled_as": "0" * 64,
    }
    campaign(sender, f"{name} scheduled", **schedule)
    campaign(
        sender, f"{name} missed", **schedule, missed_at=NOW, missed_reason="The account was away."
    )
    asked = campaign(sender, f"{name} asked")
    Approval.objects.create(campaign=asked, fingerprint="0" * 64, requested_by="user:2 bob")
    return brand


def campaign(sender: object, name: str, **fields: object) -> Campaign:
    if "mailing" in fields:
        fields |= {"launched_at": NOW, "launched_by": "anna", "frozen_references": {}}
        Mailing.objects.filter(pk=fields["mailing"].pk).update(name=name)  # type: ignore[attr-defined]
    made: Campaign = CampaignFactory.create(sender=sender, name=name, **fields)
    return made


def section(page: str, heading: str) -> str:
    return page.split(f'id="{heading}"')[1].split("</section>", maxsplit=1)[0]


def test_home_has_everything_in_its_place(log_in: Callable[..., Client]) -> None:
    brand = busy("Acme")

    page = log_in(brand, Right.VIEW).get(HOME).content.decode()

    waiting = section(page, "waiting")
    for words in ("Acme paused", "quota for today is spent", "Acme stream", "Acme missed",
                  "The account was away.", "Acme asked"):  # fmt: skip
        assert words in waiting
    assert "Acme quiet stream" not in page
    running = section(page, "running")
    assert "Acme running" in running
    assert running.count("data-live=") == 2
    assert "Acme scheduled" in section(page, "scheduled")
    assert "Europe/Berlin" in section(page, "scheduled")
    assert "Acme missed" not in section(page, "scheduled")
    results = section(page, "results")
    assert "Acme over" in results
    assert "97.5 %" in results
    assert section(page, "charts").count("<polyline") == 6


def test_home_shows_no_other_brand(log_in: Callable[..., Client]) -> None:
    busy("Acme")
    other = BrandFactory.create()

    page = log_in(other, *Right).get(HOME).content.decode()

    assert "Acme" not in page
    assert "4,000" not in page


def test_home_without_rights_says_so(log_in: Callable[..., Client]) -> None:
    busy("Acme")

    page = log_in(BrandFactory.create()).get(HOME).content.decode()

    assert "Acme" not in page
    assert "You hold no right on any brand yet" in page


def test_superuser_sees_all_brands(db: None) -> None:
    busy("Acme")
    busy("Other")
    root = get_user_model().objects.create_superuser("root", password="x")
    client = Client()
    client.force_login(root)

    page = client.get(HOME).content.decode()

    assert "Acme running" in page
    assert "Other running" in page
    assert "8,000" in section(page, "charts")


def test_stopped_account_and_dead_letters_wait_for_a_person(log_in: Callable[..., Client]) -> None:
    brand = busy("Acme")
    ProviderAccount.objects.update(stopped_at=NOW, stopped_reason="401 invalid_api_key")
    for number in (1, 2):
        dead_letters.record(
            queue=Queue.EVENTS, task=TaskName.APPLY_EVENTS, reason="x", subject="mail.event",
            subject_id=number,
        )  # fmt: skip

    viewer = section(log_in(brand, Right.VIEW).get(HOME).content.decode(), "waiting")
    driver = section(log_in(brand, Right.REDRIVE, name="eve").get(HOME).content.decode(), "waiting")

    assert "401 invalid_api_key" in viewer
    assert "dead letter" not in viewer
    assert "2 dead letters" in driver
    assert "events: 2" in driver


def test_statements_do_not_grow_with_what_there_is(log_in: Callable[..., Client]) -> None:
    brand = busy("Acme")
    client = log_in(brand, Right.REDRIVE)
    client.get(HOME)

    few = statements(client)
    for number in range(5):
        other = busy(f"Brand {number}")
        Grant.objects.create(user=get_user_model().objects.get(), brand=other, right=Right.EDIT)

    assert statements(client) == few
    assert few <= 20


def statements(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(HOME).status_code == 200
    return len(queries)


def test_links_of_home_lead_somewhere(log_in: Callable[..., Client]) -> None:
    brand = busy("Acme")
    client = log_in(brand, *Right)

    page = client.get(HOME)

    urls = {
        one["url"] for part in ("running", "results", "scheduled") for one in page.context[part]
    }
    urls |= {one.url for one in page.context["waiting"] if one.url}
    assert len(urls) > 4
    for url in sorted(urls):
        assert client.get(url, follow=True).status_code == 200, url
    assert reverse("admin:mail_mailing_live") in page.content.decode()


# --- Charts -----------------------------------------------------------------------------------


def test_lines_stay_inside_their_chart() -> None:
    days = [
        DayFigures(NOW.date() + timedelta(days=n), {"sent": n * 100, "delivered": 5})
        for n in range(30)
    ]

    first, *others = charts(days)

    points = [tuple(map(float, pair.split(","))) for pair in first.lines[0].points.split()]
    assert len(points) == 30
    assert points[0][0] == 0
    assert points[-1][0] == WIDTH
    assert all(0 <= y <= HEIGHT for _, y in points)
    assert points[-1][1] < points[0][1]
    assert first.largest == "2,900"
    assert "43,500 sent" in first.summary
    assert all(len({pair.split(",")[1] for pair in one.lines[0].points.split()}) == 1
               for one in others)  # fmt: skip
