"""Wake-ups that come five times and in any order, and a worker whose clock is wrong."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.faults.field import RATE_LIMIT, WORKERS, await_ready
from tests.rows import Row

if TYPE_CHECKING:
    from tests.faults.field import Field

COPIES = 5
SKEWED = "worker-batch-email-skewed"
SKEW_SECONDS = 30.0


def fivefold(ground: Field) -> list[Row]:
    """What waits at the broker is multiplied and shuffled, again and again, while work goes on."""
    running = ground.running
    supervision = running.station.supervision
    supervision.stop(WORKERS, "drainer")  # which would do the work meanwhile
    campaign = ground.launch("fivefold wake-ups")
    time.sleep(2)
    seen: set[bytes] = set()
    published = _multiply(ground, seen)
    supervision.start_again(WORKERS)
    await_ready(running, WORKERS)
    while not campaign.is_completed():
        published += _multiply(ground, seen)
        time.sleep(0.2)
    supervision.start_again("drainer")
    ends = running.log(WORKERS).count('"task_ended"')
    return [
        Row("wake-ups published on top", published, "", "some", published > 0),
        Row("tasks ended", ends, "", "some", ends > 0),
        *campaign.executions(),
        *campaign.finish(),
    ]


def _multiply(ground: Field, seen: set[bytes]) -> int:
    """Each wake-up that is not known yet four more times, in any order; how many were added."""
    added = 0
    with ground.running.station.valkey.server.client() as client:
        for queue in ("control", "audience", "batch-email"):
            news = set(client.lrange(queue, 0, -1)) - seen
            seen |= news
            copies = [raw for raw in sorted(news) for _ in range(COPIES - 1)]
            ground.random.shuffle(copies)
            if copies:
                client.lpush(queue, *copies)
            added += len(copies)
    return added


def skewed_clock(ground: Field) -> list[Row]:
    """One of two worker groups believes that it is half a minute later."""
    running = ground.running
    running.start_variant(
        WORKERS,
        name=SKEWED,
        application="tests.faults.skewed",
        environment={"FAULT_SKEW_SECONDS": str(SKEW_SECONDS)},
        concurrency=2,
    )
    await_ready(running, SKEWED)
    campaign = ground.launch("skewed clock")
    before = {one.t for one in running.sandbox.requests()}
    rows = campaign.finish()
    running.station.supervision.stop(SKEWED)
    moments = sorted(one.t for one in running.sandbox.requests() if one.t not in before)
    most = max((_within_a_second(moments, at) for at in moments), default=0)
    (early,) = running.query(
        "SELECT count(*) AS number FROM mail_batch WHERE mailing_id = %s AND fence > 1",
        [campaign.mailing],
    )
    worked = running.log(SKEWED).count('"batch_settled"')
    return [
        Row("clock off by", SKEW_SECONDS, "s"),
        Row("batches of the skewed worker", worked, "", "some", worked > 0),
        Row("over-grants", max(0, most - RATE_LIMIT), "", "0", most <= RATE_LIMIT),
        Row("leases taken early", int(early["number"]), "", "0", early["number"] == 0),
        *rows,
    ]


def _within_a_second(moments: list[float], start: float) -> int:
    return sum(1 for at in moments if start <= at < start + 1)


def skew() -> None:
    """Moves this process's idea of the time of day."""
    ahead, honest = float(os.environ["FAULT_SKEW_SECONDS"]), time.time
    time.time = lambda: honest() + ahead
