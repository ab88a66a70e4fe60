"""Caches elsewhere: called for until it is done, given up in the end, and driven again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from apps.newsletter import caching
from apps.newsletter.models import CacheInvalidation
from apps.queues import dead_letters
from apps.queues.models import DeadLetter
from tests.factories.brands import BrandFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


class RecordingSink:
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, tuple[str, ...]]] = []
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None

    def invalidate(self, *, brand_id: int, tags: Sequence[str]) -> None:
        self.calls.append((brand_id, tuple(tags)))
        self.meanwhile()
        if self.fails:
            raise ConnectionError("away")


@pytest.fixture
def sink() -> Iterator[RecordingSink]:
    recording = RecordingSink()
    before = list(caching._sinks)
    caching.register_sink(recording)
    yield recording
    caching._sinks[:] = before


@pytest.fixture
def brand(settings: Any) -> Brand:
    settings.RETRY_BASE_SECONDS = settings.RETRY_CAP_SECONDS = 0
    return BrandFactory.create()


def rows() -> list[tuple[str, int]]:
    return list(CacheInvalidation.objects.order_by("pk").values_list("state", "attempts"))


def test_burst_costs_one_call_and_is_logged(brand: Brand, sink: RecordingSink) -> None:
    for _ in range(10):
        caching.invalidate(brand_id=brand.pk, tags=["b", "a"])

    with capture_logs() as logs:
        calls = caching.invalidate_caches()

    assert (calls, sink.calls) == (1, [(brand.pk, ("a", "b"))])
    assert rows() == [("done", 1)]
    assert [one["event"] for one in logs] == ["caches_invalidated"]
    assert list(caching.due_invalidations()) == []


def test_without_a_sink_nothing_waits(brand: Brand) -> None:
    caching.invalidate(brand_id=brand.pk)

    caching.invalidate_caches()

    assert rows() == [("done", 1)]


def test_failure_is_logged_tried_again_and_given_up_with_a_dead_letter(
    brand: Brand, sink: RecordingSink
) -> None:
    sink.fails = True
    caching.invalidate(brand_id=brand.pk)

    with capture_logs() as logs:
        caching.invalidate_caches()

    assert rows() == [("dead", caching.ATTEMPTS)]
    assert [one["event"] for one in logs].count("caches_not_invalidated") == caching.ATTEMPTS
    letter = DeadLetter.objects.get(subject=caching.SUBJECT)
    assert (letter.queue, letter.brand_id) == ("events", brand.pk)

    sink.fails = False
    dead_letters.redrive(letter_id=letter.pk, by="anna")
    caching.invalidate_caches()
    assert rows() == [("done", 1)]


def test_wish_that_comes_during_a_call_gets_a_call_of_its_own(
    brand: Brand, sink: RecordingSink
) -> None:
    sink.meanwhile = lambda: caching.invalidate(brand_id=brand.pk) if len(sink.calls) == 1 else None
    sink.fails = True
    caching.invalidate(brand_id=brand.pk)

    claimed = caching.claim()
    assert claimed is not None
    caching._call(claimed)
    sink.fails = False
    caching.invalidate_caches()

    # The first failed while the second waited: that one stands for both.
    assert rows() == [("done", 1), ("done", 1)]
    assert len(sink.calls) == 2


def test_who_lost_the_lease_settles_nothing(brand: Brand, sink: RecordingSink) -> None:
    caching.invalidate(brand_id=brand.pk)
    slow = caching.claim()
    assert slow is not None
    CacheInvalidation.objects.update(due_at="2020-01-01T00:00Z")
    quick = caching.claim()
    assert quick is not None

    assert not caching._settle(slow, CacheInvalidation.State.DONE)
    assert caching._settle(quick, CacheInvalidation.State.DONE)
