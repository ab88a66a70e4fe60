from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.queues.retrying import backoff_seconds


@given(attempt=st.integers(1, 10_000), base=st.floats(0.01, 5), cap=st.floats(5, 600))
def test_backoff_grows_to_its_cap_and_never_vanishes(attempt: int, base: float, cap: float) -> None:
    wait = backoff_seconds(attempt=attempt, base=base, cap=cap)

    full = min(cap, base * 2.0 ** min(attempt - 1, 32))
    assert 0.75 * full <= wait <= full
