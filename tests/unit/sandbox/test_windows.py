from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sandbox.windows import FixedWindow, PeakCounter, SlidingWindow

GAPS = st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.25, 0.5, 0.999, 1.0, 3.0]), max_size=60)


def arrivals(gaps: list[float]) -> list[float]:
    now, times = 100.0, []
    for gap in gaps:
        now += gap
        times.append(now)
    return times


def test_sliding_window_at_the_limit_refuses_until_the_first_is_a_second_old() -> None:
    window = SlidingWindow()

    allowed = [window.admit(now, limit=2).allowed for now in (0.0, 0.5, 0.75, 1.0, 1.25, 1.5)]

    assert allowed == [True, True, False, True, False, True]


@given(GAPS, st.integers(1, 5))
def test_sliding_window_admits_exactly_what_fits(gaps: list[float], limit: int) -> None:
    window = SlidingWindow()
    admitted: list[float] = []

    for now in arrivals(gaps):
        in_span = [moment for moment in admitted if now - moment < 1.0]
        admission = window.admit(now, limit=limit)
        assert admission.allowed == (len(in_span) < limit)
        if admission.allowed:
            admitted.append(now)


def test_sliding_window_counts_down_and_tells_when_a_place_is_free() -> None:
    window = SlidingWindow()

    admissions = [window.admit(now, limit=2) for now in (0.0, 0.25, 0.5)]

    assert [admission.remaining for admission in admissions] == [1, 0, 0]
    assert admissions[-1].reset_seconds == 1


def test_fixed_window_lets_twice_the_limit_through_at_a_turn() -> None:
    window = FixedWindow()

    allowed = [window.admit(now, limit=2).allowed for now in (0.8, 0.9, 0.95, 1.0, 1.1, 1.2)]

    assert allowed == [True, True, False, True, True, False]


@given(GAPS)
def test_peak_counter_finds_the_fullest_second(gaps: list[float]) -> None:
    counter, times = PeakCounter(), arrivals(gaps)

    for now in times:
        counter.record(now)

    spans = [sum(0 <= now - other < 1.0 for other in times) for now in set(times)]
    # Events at the same instant count together, so look at each instant from its last event.
    assert counter.peak == max(spans, default=0)


@pytest.mark.parametrize("limit", [1, 4, 64])
def test_sliding_window_paced_at_the_limit_refuses_nothing(limit: int) -> None:
    window = SlidingWindow()

    refused = [n for n in range(5 * limit) if not window.admit(n / limit, limit=limit).allowed]

    assert refused == []
