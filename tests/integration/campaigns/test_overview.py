"""How far several campaigns are, in one statement."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import F
from django.db.models.functions import Now

from apps.campaigns.overview import Glance, glances
from apps.mail.models import Batch, Mailing
from apps.mail.results import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.campaigns.conftest import Newsroom


def send_all(mailing: Mailing) -> None:
    """In one batch, five seconds ago."""
    Batch.objects.filter(mailing=mailing).update(
        state="settled", sent=F("size"), settled_at=Now() - timedelta(seconds=5),
        key="k", key_made_at=Now(), digest=b"x" * 32,
    )  # fmt: skip


def test_glance_agrees_with_the_progress_of_each(newsroom: Newsroom) -> None:
    newsroom.suppress(1, 2)
    _, half = newsroom.launched(90)

    (glance,) = glances([half.pk]).values()

    seen = progress(half)
    assert (glance.audience, glance.done) == (seen.audience, seen.done) == (90, 2)
    assert (glance.percent, glance.per_second, glance.left) == (2, 0, None)


def test_rate_is_that_of_the_last_half_minute(newsroom: Newsroom) -> None:
    _, lately = newsroom.launched(90)
    send_all(lately)
    assert glances([lately.pk])[lately.pk].per_second == 3

    Batch.objects.update(settled_at=Now() - timedelta(seconds=31))
    assert glances([lately.pk])[lately.pk].per_second == 0


def test_completed_ones_are_done_without_a_look_at_batches(newsroom: Newsroom) -> None:
    _, mailing = newsroom.launched(3)
    Mailing.objects.update(state="completed", completed_at=Now())
    Batch.objects.all().delete()

    glance = glances([mailing.pk])[mailing.pk]

    assert (glance.done, glance.percent, glance.left) == (3, 100, None)


def test_time_left_needs_a_speed_and_a_whole_audience() -> None:
    def left(**fields: object) -> timedelta | None:
        facts = {"state": "running", "audience": 100, "audience_complete": True, "done": 40}
        return Glance(**{**facts, "per_second": 3.0, **fields}).left  # type: ignore[arg-type]  # the test's own fields

    assert left() == timedelta(seconds=20)
    assert left(per_second=0.0) is None
    assert left(audience_complete=False) is None
    assert left(state="paused") is None


def test_one_statement_for_all_and_none_for_nobody(
    newsroom: Newsroom, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    _, mailing = newsroom.launched(1)

    assert count_statements(lambda: glances([mailing.pk, 1, 2, 3])) == 1
    assert count_statements(lambda: glances([])) == 0
