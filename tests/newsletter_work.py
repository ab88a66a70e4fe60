"""What a station's desk does for whole-path tests of digests and sequences; in its process only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apps.brands.models import Sender
from apps.mail.models import Template
from apps.newsletter.digests import starting
from apps.newsletter.models import (
    Digest,
    DigestItem,
    DigestSource,
    Enrolment,
    Sequence,
    SequenceRule,
    SequenceStep,
)
from apps.newsletter.sequences import publishing
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

FOOT = """<p>{{ brand.name }}, {{ brand.postal_address }}</p>
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"""
DIGEST = f"""<html><head><style>h2 {{ font-size: 18px }} body {{ font: 16px Arial }}</style>
</head><body><h1>{{{{ campaign.name }}}}</h1>
{{% for item in variables.items %}}<h2><a href="{{{{ item.url }}}}">{{{{ item.title }}}}</a></h2>
<p>{{{{ item.summary }}}}</p>{{% endfor %}}{FOOT}"""
STEP = f"""<html><body><p>Hello {{{{ contact.first_name | default: "there" }}}}</p>{FOOT}"""


def start_digest(*, sender: int, feed: str = "") -> int:
    """A digest with an article of its own, started now; returns its id."""
    found = Sender.objects.get(pk=sender)
    now = datetime.now(tz=UTC)
    digest = Digest.objects.create(
        brand_id=found.brand_id,
        slug="weekly",
        name="The week at the harbour",
        sender=found,
        template=_template(found.brand_id, "weekly", "The week in {{ brand.name }}", DIGEST),
        weekday=now.isoweekday(),
        hour=now.hour,
        active_since=now - timedelta(days=9),
    )
    DigestItem.objects.create(
        digest=digest,
        title="New berths from May",
        url="https://harbour.example/berths",
        summary="Twelve more berths at the east quay, with power and water.",
    )
    if feed:
        DigestSource.objects.create(digest=digest, name="Port news", url=feed)
    starting.start_this_week(digest=digest, actor="test")
    return digest.pk


def start_sequence(*, sender: int) -> int:
    """Everybody enters; the second step is due at once, the third in three days."""
    found = Sender.objects.get(pk=sender)
    sequence = Sequence.objects.create(
        brand_id=found.brand_id,
        slug="welcome",
        name="Welcome aboard",
        sender=found,
        takes_everybody=True,
    )
    draft = publishing.draft_of(sequence_id=sequence.pk)
    names = ("Welcome", "How to moor", "Ask us anything")
    for position, (name, wait) in enumerate(zip(names, (0, 0, 3), strict=True), start=1):
        SequenceStep.objects.create(
            version=draft,
            position=position,
            name=name,
            wait=wait,
            template=_template(found.brand_id, f"step-{position}", f"Step {position}", STEP),
        )
    SequenceRule.objects.create(version=draft, purpose="goal", kind="click")
    publishing.publish(version_id=draft.pk, old_people="finish", actor="test")
    publishing.start(sequence_id=sequence.pk, actor="test")
    return sequence.pk


def _template(brand_id: int, slug: str, subject: str, html: str) -> Template:
    return Template.objects.create(brand_id=brand_id, slug=slug, subject=subject, html=html)


def advance() -> None:
    """What the schedule does each minute."""
    enqueue(TaskName.ADVANCE_SEQUENCES)


def positions(*, sequence: int) -> dict[int, int]:
    """People by the position they wait at."""
    found: dict[int, int] = {}
    waiting = Enrolment.objects.waiting().filter(sequence=sequence)
    for position in waiting.values_list("position", flat=True):
        found[position] = found.get(position, 0) + 1
    return found
