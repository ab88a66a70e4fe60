"""Digests and sequences that nothing stands against."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Now
from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.contacts.models import Contact
from apps.newsletter import models
from apps.newsletter.sequences import publishing
from tests.factories.brands import SenderFactory
from tests.factories.mail import TemplateFactory

DIGEST_HTML = """\
<html><body><h1>{{ campaign.name }}</h1>
{% for item in variables.items %}
<h2><a href="{{ item.url }}">{{ item.title }}</a></h2><p>{{ item.summary }}</p>
{% endfor %}
<p>{{ brand.name }}, {{ brand.postal_address }}</p>
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>
"""


class DigestFactory(DjangoModelFactory[models.Digest]):
    """Active and due: its slot is the hour that has begun (UTC)."""

    class Meta:
        model = models.Digest

    sender = SubFactory(SenderFactory)
    brand = SelfAttribute("sender.brand")
    slug = Sequence(lambda n: f"digest-{n}")
    name = Sequence(lambda n: f"The week {n}")
    template = SubFactory(TemplateFactory, brand=SelfAttribute("..brand"), html=DIGEST_HTML)
    weekday = LazyFunction(lambda: datetime.now(tz=UTC).isoweekday())
    hour = LazyFunction(lambda: datetime.now(tz=UTC).hour)
    active_since = LazyFunction(Now)


class SequenceFactory(DjangoModelFactory[models.Sequence]):
    class Meta:
        model = models.Sequence

    sender = SubFactory(SenderFactory)
    brand = SelfAttribute("sender.brand")
    slug = Sequence(lambda n: f"sequence-{n}")
    name = Sequence(lambda n: f"Welcome {n}")
    takes_everybody = True


def started_sequence(
    *,
    steps: list[dict[str, Any]] | None = None,
    rules: tuple[dict[str, Any], ...] = (),
    **fields: Any,
) -> models.Sequence:
    """Published and active, with two steps that are due at once unless `steps` says otherwise."""
    sequence: models.Sequence = SequenceFactory.create(**fields)
    draft = publishing.draft_of(sequence_id=sequence.pk)
    add_steps(draft, steps or [{"wait": 0}, {"wait": 0}])
    for rule in rules:
        models.SequenceRule.objects.create(version=draft, **rule)
    publishing.publish(version_id=draft.pk, old_people="finish", actor="test")
    return publishing.start(sequence_id=sequence.pk, actor="test")


def add_steps(draft: models.SequenceVersion, steps: list[dict[str, Any]]) -> None:
    for position, fields in enumerate(steps, start=1):
        models.SequenceStep.objects.create(
            version=draft,
            **{
                "position": position,
                "name": f"Step {position}",
                "template": TemplateFactory.create(brand=draft.sequence.brand),
                **fields,
            },
        )


def add_people(brand_id: int, number: int, *, start: int = 1, zone: str = "") -> list[int]:
    """Subscribed people p1@people.example and so on; their ids."""
    made = Contact.objects.bulk_create(
        Contact(
            brand_id=brand_id,
            email=f"p{n}@people.example",
            address=f"p{n}@people.example",
            first_name=f"P{n}",
            timezone=zone,
            status="subscribed",
        )
        for n in range(start, start + number)
    )
    return [one.pk for one in made]
