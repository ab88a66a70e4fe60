"""How many want a topic, without reading them all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from apps.contacts.models import TopicState

if TYPE_CHECKING:
    from collections.abc import Collection

COUNTED_EXACTLY = 1000


@dataclass(frozen=True, slots=True)
class OptIns:
    """Exact up to `COUNTED_EXACTLY`, beyond that the planner's estimate in two figures."""

    number: int
    is_estimate: bool

    def __str__(self) -> str:
        return f"about {self.number:,}" if self.is_estimate else f"{self.number:,}"


def count_opt_ins(topic_ids: Collection[int]) -> dict[int, OptIns]:
    """Two statements for any number of topics, each bounded."""
    if not topic_ids:
        return {}
    ids = sorted(int(one) for one in topic_ids)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"topics": ids})
        counted: dict[int, int] = dict(cursor.fetchall())
    large = [one for one in ids if counted[one] > COUNTED_EXACTLY]
    estimates = _estimates(large)
    return {
        one: OptIns(estimates[one], is_estimate=True)
        if one in estimates
        else OptIns(counted[one], is_estimate=False)
        for one in ids
    }


def _estimates(topic_ids: list[int]) -> dict[int, int]:
    """What the planner expects; nothing is executed."""
    if not topic_ids:
        return {}
    # The first row keeps the plan a list of parts, however many topics there are.
    parts = ["SELECT 0", *(_ONE.format(one) for one in topic_ids)]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + " UNION ALL ".join(parts))
        answer = cursor.fetchone()[0]
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    rows = [int(part["Plan Rows"]) for part in plan["Plans"][1:]]
    return {
        topic_id: _rounded(max(number, COUNTED_EXACTLY))
        for topic_id, number in zip(topic_ids, rows, strict=True)
    }


def _rounded(number: int) -> int:
    """To two figures: more would claim to know."""
    step: int = 10 ** max(0, int(math.log10(number)) - 1)
    return round(number / step) * step


_COUNT = f"""
SELECT topic.id, counted.number FROM unnest(%(topics)s::bigint[]) AS topic (id)
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM contacts_topicsubscription t
        WHERE t.topic_id = topic.id AND t.state = '{TopicState.OPT_IN}'
        LIMIT {COUNTED_EXACTLY + 1}
    ) bounded
) counted
"""
_ONE = (
    "(SELECT 1 FROM contacts_topicsubscription"
    f" WHERE topic_id = {{}} AND state = '{TopicState.OPT_IN}')"
)
