"""How far ahead a batch reserves, by how long composing took."""

from __future__ import annotations

from apps.mail.leads import Lead


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def compose(lead: Lead, clock: Clock, seconds: float) -> int:
    lead.start()
    clock.now += seconds
    lead.stop()
    return lead.ms


def test_lead_begins_short_and_grows_at_once_with_a_slow_batch() -> None:
    clock = Clock()
    lead = Lead(clock=clock)

    assert lead.ms == 100
    assert compose(lead, clock, 0.2) == 250


def test_lead_shrinks_slowly_and_never_below_its_least() -> None:
    clock = Clock()
    lead = Lead(clock=clock)
    compose(lead, clock, 0.2)

    shrinking = [compose(lead, clock, 0.01) for _ in range(30)]

    assert shrinking[0] > 200
    assert shrinking[-1] == 100


def test_lead_is_bounded_however_slow_composing_is() -> None:
    clock = Clock()

    assert compose(Lead(clock=clock), clock, 60) == 450


def test_end_without_a_beginning_teaches_nothing() -> None:
    clock = Clock()
    lead = Lead(clock=clock)
    clock.now = 5

    lead.stop()

    assert lead.ms == 100
