"""A brand whose segments a stand-in keeps, and a worker of them in the test's own process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.newsletter.models import ManagedSegment, ProviderTopic, SegmentPass, SegmentWish
from apps.newsletter.segments.wishes import want
from apps.newsletter.segments.working import work_segments
from tests.factories.brands import SenderFactory
from tests.factories.contacts import ContactFactory, TopicFactory, TopicSubscriptionFactory
from tests.integration.sandbox.talking import KEY, call

if TYPE_CHECKING:
    from apps.brands.models import Sender
    from apps.contacts.models import Contact
    from apps.sandbox.handle import ContactCall, ResendSandbox

TIERS = ("gold", "silver", "bronze")


@dataclass
class SegmentHouse:
    """`segments` and `topics` are the provider's ids by our names."""

    sandbox: ResendSandbox
    sender: Sender = field(
        default_factory=lambda: SenderFactory.create(is_default=True, account__api_key=KEY)
    )
    segments: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in TIERS:
            self.segments[name] = self.make_segment(name)
            ManagedSegment.objects.create(
                account=self.sender.account,
                brand=self.sender.brand,
                segment_id=self.segments[name],
                name=name,
            )

    def make_segment(self, name: str) -> str:
        """One at the provider that nobody manages."""
        self.segments[name] = call(self.sandbox, "POST", "/segments", {"name": name}).json["id"]
        return self.segments[name]

    def make_topic(self, contact: Contact, state: str) -> str:
        body = {"name": "Digest", "default_subscription": "opt_out"}
        topic_id = str(call(self.sandbox, "POST", "/topics", body).json["id"])
        topic = TopicFactory.create(brand=self.sender.brand)
        ProviderTopic.objects.create(
            account=self.sender.account, topic=topic, provider_topic_id=topic_id
        )
        TopicSubscriptionFactory.create(contact=contact, topic=topic, state=state)
        return topic_id

    def contact(self, **fields: object) -> Contact:
        return ContactFactory.create(brand=self.sender.brand, **fields)

    def contact_there(self, *names: str, **fields: object) -> Contact:
        """One that the provider has already, in these segments."""
        contact = self.contact(**fields)
        body = {"email": contact.address, "segments": [self.segments[name] for name in names]}
        call(self.sandbox, "POST", "/contacts", body)
        return contact

    def wish(self, contact: Contact, name: str | None, *, mode: str = "update") -> None:
        want(
            contact_id=contact.pk,
            target_segment=None if name is None else self.segments[name],
            score=7,
            mode=mode,
            at=datetime.now(tz=UTC),
        )

    def work(self, *, seconds: float = 10.0) -> None:
        """Until nothing waits any more."""
        ends_at = time.monotonic() + seconds
        while SegmentWish.objects.open().exists():
            assert time.monotonic() < ends_at, "segments were not worked off in time"
            if not work_segments(account_id=self.sender.account_id, turn_seconds=0.5):
                time.sleep(0.02)

    def told(self, *operations: str) -> list[ContactCall]:
        """The provider's log, of these operations; all of them where none are named."""
        calls = self.sandbox.contact_calls()
        return [one for one in calls if not operations or one.operation in operations]

    def members_of(self, contact: Contact) -> set[str]:
        """The names of the segments that the provider has the contact in."""
        found = call(self.sandbox, "GET", f"/contacts/{contact.address}/segments", {}).json
        names = {segment_id: name for name, segment_id in self.segments.items()}
        return {names[one["id"]] for one in found["data"]}


def operations(calls: list[ContactCall]) -> list[str]:
    return [one.operation for one in calls]


def passes_of(contact: Contact) -> list[SegmentPass]:
    return list(SegmentPass.objects.filter(contact_id=contact.pk).order_by("id"))
