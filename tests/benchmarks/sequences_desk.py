"""What the benchmark of sequences does inside a station's desk, where Django is set up."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, TypeVar

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Sender
from apps.contacts.eligibility import MailClass
from apps.mail import mailings, planning
from apps.mail.claiming import claim_batch
from apps.mail.models import Mailing
from apps.mail.planning import Selection
from apps.mail.sealing import compose, seal
from apps.newsletter.models import StepMail
from apps.newsletter.sequences import advancing, entering
from tests.factories.mail import TemplateFactory
from tests.factories.newsletter import started_sequence
from tests.stations import HTML, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES_SEALED = 60

T = TypeVar("T")


def due_steps(*, sender: int) -> dict[str, float]:
    chosen = Sender.objects.select_related("brand").get(pk=sender)
    template = TemplateFactory.create(brand=chosen.brand, subject=SUBJECT, html=HTML)
    sequence = started_sequence(
        sender=chosen,
        brand=chosen.brand,
        steps=[{"wait": 0, "template": template}, {"wait": 24, "template": template}],
    )
    enter_seconds, entered = _timed(lambda: entering.enter(sequence))
    _analyze()
    look_seconds, _ = _timed(lambda: entering.enter(sequence))
    with CaptureQueriesContext(connection) as captured:
        advancing.advance_page(advancing.due_steps()[0])
    rest_seconds, rest = _timed(lambda: advancing.advance_due(turn_seconds=600))
    _analyze()
    of_step = _sealed_a_second(chosen.account_id)
    Mailing.objects.filter(state="running").update(state="paused", state_reason="bench")
    mailing = mailings.create_bulk_mailing(
        name="beside",
        sender=chosen,
        mail_class=MailClass.COMMERCIAL,
        subject=SUBJECT,
        html=HTML,
        text="",
    )
    plan_seconds, planned = _timed(lambda: _plan(mailing))
    _analyze()
    return {
        "due": StepMail.objects.count(),
        "entered_a_second": entered / enter_seconds,
        "look_seconds": look_seconds,
        "claimed_a_second": rest.due / rest_seconds,
        "statements_per_page": len(captured),
        "campaign_planned_a_second": planned / plan_seconds,
        "sealed_a_second": of_step,
        "campaign_sealed_a_second": _sealed_a_second(chosen.account_id),
    }


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    found = act()
    return time.perf_counter() - started, found


def _plan(mailing: Mailing) -> int:
    planned = 0
    while not (page := planning.plan_page(mailing_id=mailing.pk, selection=Selection())).complete:
        planned += page.planned
    return planned + page.planned


def _sealed_a_second(account_id: int) -> float:
    """By the median of single batches."""
    seconds = [_timed(lambda: _seal_one(account_id))[0] for _ in range(BATCHES_SEALED)]
    return 100 / statistics.median(seconds)


def _seal_one(account_id: int) -> None:
    batch = claim_batch(account_id=account_id)
    assert batch is not None
    assert seal(batch, compose(batch))


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
