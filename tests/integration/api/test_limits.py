"""How often a key may call."""

from __future__ import annotations

import time
from typing import Any

import pytest
from redis import Redis

from apps.brands.api import throttling
from apps.brands.api.buckets import Allowance
from apps.brands.api.throttling import KeyThrottle, OwnBuckets, Verdict
from tests.integration.api.conftest import Caller, House, caller


@pytest.fixture
def _tight(settings: Any) -> None:
    settings.API_BURST = 3
    settings.API_REQUESTS_PER_SECOND = 0.05


@pytest.mark.django_db
@pytest.mark.usefixtures("_tight")
class TestCalls:
    def test_calls_beyond_the_allowance_are_told_when_to_come_again(self, shop: Caller) -> None:
        answers = [shop.get("brand") for _ in range(4)]

        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        last = answers[-1]
        assert last.body["name"] == "rate_limit_exceeded"
        assert 0 < int(last.headers["Retry-After"]) <= 20
        assert last.headers["ratelimit-limit"] == "3"
        assert int(last.headers["ratelimit-reset"]) <= 60

    def test_each_key_has_its_own(self, shop: Caller, house: House) -> None:
        for _ in range(4):
            shop.get("brand")

        assert caller(house.brand, name="other").get("brand").status == 200

    def test_refused_calls_count_too(self, house: House) -> None:
        reader = caller(house.brand, ["topics:read"])

        statuses = [reader.get("brand").status for _ in range(4)]

        assert statuses == [403, 403, 403, 429]

    def test_calls_are_answered_and_limited_without_the_broker(
        self, shop: Caller, settings: Any
    ) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:9/0"

        statuses = [shop.get("brand").status for _ in range(4)]

        assert statuses == [200, 200, 200, 429]


class TestBucket:
    def test_broker_and_process_count_alike(self, settings: Any) -> None:
        allowance = Allowance(per_second=1, burst=5)
        clock = iter([0.0] * 100)
        own = OwnBuckets(clock=lambda: next(clock))
        shared = KeyThrottle(Redis.from_url(settings.REDIS_URL), own=OwnBuckets())

        verdicts = [shared.take("test:alike", allowance) for _ in range(7)]
        own_verdicts = [Verdict.read(own.take("x", allowance), allowance) for _ in range(7)]

        assert [one.granted for one in verdicts] == [one.granted for one in own_verdicts]
        assert [one.remaining for one in verdicts] == [one.remaining for one in own_verdicts]

    def test_bucket_fills_again(self) -> None:
        now = [0.0]
        own = OwnBuckets(clock=lambda: now[0])
        allowance = Allowance(per_second=2, burst=2)
        taken = [own.take("x", allowance)[0] for _ in range(3)]

        now[0] = 0.5
        later = [own.take("x", allowance)[0] for _ in range(2)]

        assert (taken, later) == ([1, 1, 0], [1, 0])

    def test_raised_limit_counts_at_once(self, settings: Any) -> None:
        strict, generous = Allowance(per_second=0.001, burst=2), Allowance(per_second=50, burst=1)
        now = [0.0]
        own = OwnBuckets(clock=lambda: now[0])
        shared = KeyThrottle(Redis.from_url(settings.REDIS_URL), own=OwnBuckets())
        for _ in range(3):  # whoever went on would wait for a quarter of an hour
            own.take("x", strict)
            shared.take("test:raised", strict)

        first = [own.take("x", generous)[0], shared.take("test:raised", generous).granted]
        now[0] = 0.05
        time.sleep(0.05)
        second = [own.take("x", generous)[0], shared.take("test:raised", generous).granted]

        assert (first, second) == ([0, False], [1, True])

    def test_broker_that_is_away_is_not_asked_every_time(self) -> None:
        throttle = KeyThrottle(
            Redis.from_url("redis://127.0.0.1:9/0"), own=OwnBuckets(), clock=lambda: 0.0
        )
        asked: list[str] = []
        throttle._run = lambda **_: asked.append("asked") or _refuse()  # type: ignore[assignment,func-returns-value]

        for _ in range(5):
            assert throttle.take("x", Allowance(10, 10)).granted

        assert len(asked) == 1

    def test_one_throttle_per_broker(self, settings: Any) -> None:
        assert throttling._throttle(settings.REDIS_URL) is throttling._throttle(settings.REDIS_URL)


def _refuse() -> None:
    from redis.exceptions import ConnectionError as RedisConnectionError

    raise RedisConnectionError
