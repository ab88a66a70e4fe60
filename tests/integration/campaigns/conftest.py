"""A campaign nothing stands against, and people to send it to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.campaigns import controlling, dry_running, launching, planning
from apps.contacts.models import Contact, Topic, TopicSubscription
from apps.mail import mailings, planning_turns, regrouping
from tests.factories.brands import SenderFactory
from tests.factories.campaigns import CampaignFactory
from tests.factories.mail import HTML

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.brands.models import Brand, Sender
    from apps.campaigns.models import Campaign
    from apps.mail.models import Mailing
    from apps.queues.names import TaskName


@dataclass(frozen=True)
class Newsroom:
    """A brand with a sender; contacts are p1@people.example and so on, with made-up traits."""

    sender: Sender

    @property
    def brand(self) -> Brand:
        return self.sender.brand

    def campaign(self, **fields: Any) -> Campaign:
        return CampaignFactory.create(sender=self.sender, **fields)

    def launched(self, number: int, *, html: str = HTML) -> tuple[Campaign, Mailing]:
        """To everybody, `number` new people among them, planned to the end."""
        self.add_people(number)
        draft = self.campaign(template__html=html)
        campaign = launching.launch(campaign_id=draft.pk, by="anna")
        planning.plan_audience(campaign_id=campaign.pk)
        campaign.refresh_from_db()
        assert campaign.mailing is not None
        return campaign, campaign.mailing

    def add_people(self, number: int, *, start: int = 1, status: str = "subscribed") -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO contacts_contact"
                "       (brand_id, email, address, first_name, status, traits)"
                " SELECT %s, 'p' || n || '@people.example', 'p' || n || '@people.example',"
                "        'P' || n, %s,"
                "        jsonb_build_object('plan', (ARRAY['pro', 'free'])[1 + n %% 2])"
                "   FROM generate_series(%s, %s) n",
                [self.brand.pk, status, start, start + number - 1],
            )

    def add_person(self, name: str, **fields: Any) -> Contact:
        address = f"{name}@people.example"
        fields = {"status": "subscribed", **fields}
        return Contact.objects.create(brand=self.brand, email=address, address=address, **fields)

    def add_topic(self, slug: str, *opted_in: Contact, opted_out: Contact | None = None) -> Topic:
        topic = Topic.objects.create(brand=self.brand, slug=slug, name=slug.title())
        for contact in opted_in:
            TopicSubscription.objects.create(topic=topic, contact=contact, state="opt_in")
        if opted_out:
            TopicSubscription.objects.create(topic=topic, contact=opted_out, state="opt_out")
        return topic

    def suppress(self, *numbers: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO contacts_suppression (address, reason, origin)"
                " SELECT 'p' || n || '@people.example', 'hard_bounce', 'operator'"
                "   FROM unnest(%s) n",
                [list(numbers)],
            )


@pytest.fixture
def newsroom(db: None) -> Newsroom:
    return Newsroom(SenderFactory.create())


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TaskName, dict[str, int]]]:
    """What was enqueued, in order, each task once however many copies; nothing is published."""
    seen: list[tuple[TaskName, dict[str, int]]] = []

    def note(task: TaskName, *, copies: int = 1, **ids: int) -> None:
        seen.append((task, ids))

    for module in (
        controlling,
        dry_running,
        launching,
        planning,
        planning_turns,
        mailings,
        regrouping,
    ):
        monkeypatch.setattr(module, "enqueue", note)
    return seen


@pytest.fixture
def count_statements() -> Callable[[Callable[[], object]], int]:
    """How many statements a call sends to the database."""

    def count(call: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as queries:
            call()
        return len(queries)

    return count
