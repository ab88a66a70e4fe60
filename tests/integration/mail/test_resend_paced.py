"""Client and limiter together, against a provider that counts every sliding second."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest
import resend

from apps.mail.resend import ResendClient, ResendFailure, SurelyNotSent
from apps.queues.limiting import Held, Limiter, open_broker
from apps.sandbox.handle import ResendSandbox
from tests.integration.queues.throwaway_valkey import ThrowawayValkey, warm_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 10
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
        latency_ms=200,
    ) as server:  # fmt: skip
        yield server


def send_for(seconds: float, url: str, limiter: Limiter, keys: Iterator[int]) -> None:
    """What a worker does: a slot, its instant, a call, the limit it told."""
    with closing(
        ResendClient("re_main0001", url, connect_timeout_s=1, read_timeout_s=2, total_timeout_s=3)
    ) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            slot = limiter.reserve()
            if isinstance(slot, Held):
                time.sleep(slot.retry_in_s)
            elif slot.wait():
                observe_call(client, limiter, f"key-{next(keys)}", slot.leave_by)


def observe_call(client: ResendClient, limiter: Limiter, key: str, leave_by: float) -> None:
    try:
        limit = client.send_batch(BODY, key, size=1, leave_by=leave_by).rate.limit
    except SurelyNotSent:
        return
    except ResendFailure as failure:
        limit = failure.rate.limit
    limiter.observe(limit)


def send_from_six_workers(
    valkey: ThrowawayValkey, sandbox: ResendSandbox, keys: count[int]
) -> None:
    with open_broker(valkey.url) as broker:
        limiters = [Limiter(broker, "account", 2, f"worker-{number}") for number in range(6)]
        threads = [
            threading.Thread(target=send_for, args=(10.0, sandbox.url, limiter, keys))
            for limiter in limiters
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_workers_use_the_limit_and_are_never_told_to_slow_down(
    valkey: ThrowawayValkey, sandbox: ResendSandbox
) -> None:
    keys, used, seen = count(), 0.0, 0
    with open_broker(valkey.url) as broker:
        warm_account(broker, limit=LIMIT)

    # A busy machine delays workers past their slots: measure again before it counts.
    for _ in range(3):
        send_from_six_workers(valkey, sandbox, keys)
        arrivals = [request.t for request in sandbox.requests()][seen:]
        seen += len(arrivals)
        used = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / LIMIT
        if used >= 0.88:
            break

    stats = sandbox.stats()
    assert stats.refused_429 == {}
    assert stats.max_requests_per_second <= LIMIT
    assert used >= 0.88


def test_new_account_starts_slowly_and_follows_the_limit_it_is_told(
    valkey: ThrowawayValkey, sandbox: ResendSandbox
) -> None:
    with open_broker(valkey.url) as broker:
        limiter = Limiter(broker, "account", 2, "worker")
        send_for(6.0, sandbox.url, limiter, count())
        use = limiter.peek()

    stats = sandbox.stats()
    assert stats.refused_429 == {}
    assert (use.limit, use.factor) == (LIMIT, 1)
