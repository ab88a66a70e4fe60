from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.integration.sandbox.talking import OTHER_KEY, RESTRICTED_KEY, call, mail, send

if TYPE_CHECKING:
    from apps.sandbox.handle import LoggedRequest, ResendSandbox


def most_in_a_second(requests: list[LoggedRequest]) -> int:
    times = [request.t for request in requests]
    return max(sum(0 <= now - other < 1.0 for other in times) for now in times)


def test_sixth_request_of_a_second_is_refused(sandbox: ResendSandbox) -> None:
    sandbox.configure(rate_limit=5)

    replies = [send(sandbox) for _ in range(6)]

    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert replies[-1].name == "rate_limit_exceeded"
    assert replies[-1].headers["retry-after"] == "1"
    assert [reply.headers["ratelimit-remaining"] for reply in replies] == list("432100")
    assert sandbox.stats().refused_429 == {"rate_limit_exceeded": 1}


def test_pushed_from_many_threads_never_admits_more_than_the_limit(sandbox: ResendSandbox) -> None:
    sandbox.configure(rate_limit=20)
    deadline = time.monotonic() + 1.5

    def push(_: int) -> None:
        while time.monotonic() < deadline:
            send(sandbox)
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, range(4)))

    requests = list(sandbox.requests())
    admitted = [request for request in requests if request.status == 200]
    assert most_in_a_second(admitted) == 20
    assert 30 <= len(admitted) <= 40
    assert sandbox.stats().max_requests_per_second == most_in_a_second(requests)


def test_all_keys_of_an_account_share_its_budget(sandbox: ResendSandbox) -> None:
    sandbox.configure(accounts={"main": {"rate_limit": 1}})

    replies = [
        call(sandbox, "POST", "/emails", mail(), key=key).status
        for key in (RESTRICTED_KEY, None, OTHER_KEY, "re_main", OTHER_KEY)
    ]

    assert replies == [200, 401, 200, 429, 200]


def test_reads_and_refused_requests_count_against_the_limit(sandbox: ResendSandbox) -> None:
    sandbox.configure(rate_limit=2)

    replies = [
        call(sandbox, "GET", "/domains").status,
        call(sandbox, "GET", "/nowhere").status,
        send(sandbox).status,
    ]

    assert replies == [200, 404, 429]


def test_lifted_limit_announces_a_million(sandbox: ResendSandbox) -> None:
    reply = send(sandbox)

    assert reply.headers["ratelimit-limit"] == "1000000"
    assert reply.headers["ratelimit-remaining"] == "1000000"


def test_quota_that_does_not_hold_the_batch_refuses_all_of_it(sandbox: ResendSandbox) -> None:
    sandbox.configure(monthly_quota=4)
    send(sandbox, to=["a@example.org", "b@example.org"])

    reply = call(sandbox, "POST", "/emails/batch", [mail()] * 3)

    assert (reply.status, reply.name) == (429, "monthly_quota_exceeded")
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.headers["x-resend-monthly-quota"] == "2"
    assert sandbox.stats().accepted == 1


def test_latency_is_kept_and_does_not_hold_up_others(sandbox: ResendSandbox) -> None:
    sandbox.configure(latency_ms=300)
    started = time.monotonic()

    with ThreadPoolExecutor(8) as pool:
        statuses = [reply.status for reply in pool.map(lambda _: send(sandbox), range(8))]

    assert statuses == [200] * 8
    assert 0.3 <= time.monotonic() - started < 1.5
