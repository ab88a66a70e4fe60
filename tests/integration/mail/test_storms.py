"""Provider storms: workers, limiter and breaker against a provider that counts every second."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest
import resend

from apps.mail.resend import ResendClient, ResendFailure, Throttled
from apps.mail.resend.answers import RateLimit
from apps.mail.resend.errors import CallFacts
from apps.mail.resend.trouble import report_call
from apps.queues import metrics
from apps.queues.breaking import Breaker, Rules
from apps.queues.limiting import CallClass, Held, Limiter, open_broker
from apps.sandbox.faults import FaultKind
from apps.sandbox.handle import ResendSandbox
from tests.integration.queues.throwaway_valkey import ThrowawayValkey, warm_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 20
WORKERS = 6
RULES = Rules(window_s=10, least_calls=20, error_share=0.5, run=10, hold_s=0.5, longest_hold_s=2,
              probe_s=5)  # fmt: skip
BODY = json.dumps(
    [{"from": "news@example.com", "to": ["a@example.org"], "subject": "Hello", "text": "Hello"}]
).encode()


@pytest.fixture(autouse=True)
def sdk_as_it_was() -> Iterator[None]:
    before = resend.default_http_client
    yield
    resend.default_http_client = before


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ThrowawayValkey]:
    server = ThrowawayValkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[ResendSandbox]:
    with ResendSandbox(
        tmp_path, accounts={"main": "re_main0001"}, domains=["example.com"], rate_limit=LIMIT,
        latency_ms=50,
    ) as server:  # fmt: skip
        yield server


class Crew:
    """Workers as they send: a permit, a slot, its instant, a call, and what it told."""

    def __init__(self, valkey: ThrowawayValkey, sandbox: ResendSandbox) -> None:
        self._valkey, self._sandbox = valkey, sandbox
        self._keys = count()
        self.ends_at = 0.0

    def work_for(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._work, args=(f"worker-{number}",))
            for number in range(WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, name: str) -> None:
        client = ResendClient(
            "re_main0001", self._sandbox.url, connect_timeout_s=1, read_timeout_s=1,
            total_timeout_s=2,
        )  # fmt: skip
        with open_broker(self._valkey.url) as broker, closing(client):
            limiter = Limiter(broker, "account", LIMIT, name)
            breaker = Breaker(broker, "account", RULES)
            while time.monotonic() < self.ends_at:
                permit = breaker.admit()
                if isinstance(permit, Held):
                    time.sleep(min(0.05, permit.retry_in_s))
                    continue
                with permit:
                    slot = limiter.reserve(2_000, call_class=CallClass.CAMPAIGN)
                    if isinstance(slot, Held):
                        time.sleep(slot.retry_in_s)
                    elif slot.wait():
                        failure = self._call(client, limiter, slot.leave_by)
                        report_call(permit, failure)

    def _call(
        self, client: ResendClient, limiter: Limiter, leave_by: float
    ) -> ResendFailure | None:
        key = f"key-{next(self._keys)}"
        try:
            rate = client.send_batch(BODY, key, size=1, leave_by=leave_by).rate
        except ResendFailure as failure:
            if isinstance(failure, Throttled):
                limiter.freeze(failure.retry_after_s)
            return failure
        limiter.observe(rate.limit, remaining=rate.remaining, reset_s=rate.reset_s)
        return None


def test_provider_that_only_fails_is_left_alone_and_found_again(
    valkey: ThrowawayValkey, sandbox: ResendSandbox
) -> None:
    with open_broker(valkey.url) as broker:
        warm_account(broker, limit=LIMIT)
    crew = Crew(valkey, sandbox)
    crew.work_for(3)
    well = len(list(sandbox.requests()))

    sandbox.configure(faults={FaultKind.ERROR_BEFORE: 1.0})
    crew.work_for(5)
    storm = list(sandbox.requests())[well:]
    sandbox.configure(faults={})
    crew.work_for(4)
    after = list(sandbox.requests())[well + len(storm) :]

    # Until it opens; then one probe at a time, after 0.5, 1, 2 and 2 seconds, less a quarter.
    gaps = [later.t - earlier.t for earlier, later in pairwise(storm)]
    opened_after = next(at for at, gap in enumerate(gaps, 1) if gap > 0.3)
    assert opened_after <= 30
    assert len(storm) - opened_after <= 6
    assert sum(request.status == 200 for request in after) >= LIMIT
    assert sandbox.stats().max_requests_per_second <= LIMIT


def test_storm_of_429s_with_odd_waits_never_leads_above_the_limit(
    valkey: ThrowawayValkey, sandbox: ResendSandbox
) -> None:
    with open_broker(valkey.url) as broker:
        warm_account(broker, limit=LIMIT)
    crew = Crew(valkey, sandbox)

    sandbox.configure(faults={FaultKind.RATE_LIMITED: 0.3})
    crew.work_for(6)
    sandbox.configure(faults={})
    crew.work_for(6)

    stats = sandbox.stats()
    assert stats.max_requests_per_second <= LIMIT
    # Every 429 was the script's: none was caused by us. A second later all is well again.
    assert set(stats.refused_429.values()) == {stats.faults.get("429", 0)}
    last = list(sandbox.requests())[-LIMIT:]
    assert all(request.status == 200 for request in last)
    with open_broker(valkey.url) as broker:
        assert Breaker(broker, "account", RULES).look().openings == 0


@pytest.mark.parametrize(
    ("retry_after", "shortest", "longest"),
    [
        ("2", 2, 2),
        ("0", 0.1, 0.1),
        ("-7", 1, 1),
        ("99999999", 300, 300),
        ("99999999999999999999", 1, 300),
        ("soon", 1, 1),
        ("", 1, 1),
        ("nan", 1, 1),
        ("Sun, 22 Nov 2026 10:00:09 GMT", 9, 9),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.1, 0.1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300, 300),
    ],
)
def test_odd_retry_after_neither_hammers_nor_stops_an_account(
    valkey: ThrowawayValkey, retry_after: str, shortest: float, longest: float
) -> None:
    headers = {"retry-after": retry_after, "date": "Sun, 22 Nov 2026 10:00:00 GMT"}
    failure = _throttled(headers)
    with open_broker(valkey.url) as broker:
        limiter = Limiter(broker, "account", LIMIT, "worker")

        limiter.freeze(failure.retry_after_s)

        assert shortest - 0.05 <= limiter.peek().frozen_for_s <= longest


def _throttled(headers: dict[str, str]) -> Throttled:
    return Throttled(CallFacts("rate_limit_exceeded", 429, rate=RateLimit.from_headers(headers)))


def test_calls_are_counted_by_operation_and_outcome(sandbox: ResendSandbox) -> None:
    def counted(outcome: str) -> float:
        return float(metrics.PROVIDER_CALLS.labels("resend", "send_batch", outcome)._value.get())

    def timeouts() -> float:
        return float(metrics.PROVIDER_TIMEOUTS.labels("resend", "send_batch", "read")._value.get())

    before = counted("ok"), counted("Ambiguous"), timeouts()
    client = ResendClient(
        "re_main0001", sandbox.url, connect_timeout_s=1, read_timeout_s=0.3, total_timeout_s=2
    )
    with closing(client):
        client.send_batch(BODY, "first", size=1)
        sandbox.configure(faults={FaultKind.TIMEOUT_BEFORE: 1.0})
        with pytest.raises(ResendFailure, match="timeout"):
            client.send_batch(BODY, "second", size=1)

    after = counted("ok"), counted("Ambiguous"), timeouts()
    assert [late - early for late, early in zip(after, before, strict=True)] == [1, 1, 1]
