"""How quickly campaigns leave: with the limit lifted, and at the provider's default limit."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Self

from tests.rows import Row
from tests.stations import CAMPAIGN_PROGRAMS, SendingStation

if TYPE_CHECKING:
    from collections.abc import Mapping

LATENCY_MS = 200
DEFAULT_LIMIT = 5
LIFTED = 0
ROUNDS = 3

_TOPIC = """
WITH topic AS (
    INSERT INTO contacts_topic (brand_id, slug, name, description, is_public)
    VALUES (%(brand)s, %(slug)s, %(slug)s, '', false) RETURNING id
)
INSERT INTO contacts_topicsubscription (topic_id, contact_id, state)
SELECT topic.id, contact.id, 'opt_in' FROM topic, contacts_contact contact
 WHERE contact.address LIKE %(slug)s || '-%%'
"""


def hundreds_lifted() -> list[Row]:
    """100 and 1,000 mails from launch to the last accepted one, nothing but latency in the way."""
    return _small(LIFTED, {100: 1.0, 1_000: 4.0}, "limit lifted")


def hundreds_limited() -> list[Row]:
    """The same two at the provider's default limit."""
    return _small(DEFAULT_LIMIT, {100: 5.0, 1_000: 30.0}, f"{DEFAULT_LIMIT} requests/s")


def forty_thousand_lifted() -> list[Row]:
    """40,000 mails through the whole path, everything on this machine."""
    number = 40_000
    with _station(LIFTED) as running:
        rates = []
        for _ in range(ROUNDS):
            before = running.sandbox.stats().cpu_seconds
            rates.append(number / _send(running, number))
            sandbox_cpu = running.sandbox.stats().cpu_seconds - before
        rate = statistics.median(rates)
        return [
            Row("40,000 mails, limit lifted, 200 ms", round(rate), "mails/s", "at least 2,000",
                rate >= 2_000),
            Row("of that the stand-in's own cost", round(sandbox_cpu * 1000 / (number / 1000), 1),
                "ms CPU per 1,000 mails"),
        ]  # fmt: skip


def forty_thousand_limited() -> list[Row]:
    """40,000 mails at the default limit: nearly all of it used, and never one request too many."""
    number = 40_000
    with _station(DEFAULT_LIMIT) as running:
        _send(running, 100)  # the limiter has learned the limit, as in any station that has sent
        running.sandbox.reset()
        took = _send(running, number)
        stats = running.sandbox.stats()
        used = number / 100 / took / DEFAULT_LIMIT
        throttled = sum(stats.refused_429.values())
        return [
            Row("share of the limit used", round(used * 100, 1), "%", "at least 88", used >= 0.88),
            Row("429s", throttled, "", "0", throttled == 0),
            Row("most requests in any second", stats.max_requests_per_second, "", "at most 5",
                stats.max_requests_per_second <= DEFAULT_LIMIT),
        ]  # fmt: skip


def _small(limit: int, goals: Mapping[int, float], note: str) -> list[Row]:
    with _station(limit) as running:
        _send(running, 100)  # warm: a station that has just been started is another question
        rows = []
        for number, goal in goals.items():
            took = statistics.median(_send(running, number) for _ in range(ROUNDS))
            rows.append(
                Row(
                    f"{number:,} mails, {note}", round(took, 2), "s", f"under {goal:g}", took < goal
                )
            )
        return rows


def _station(limit: int) -> _Started:
    return _Started(limit)


class _Started(SendingStation):
    """A station with its workers up."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            "bench", sandbox={"rate_limit": limit, "latency_ms": LATENCY_MS}, durable=True
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self.start(*CAMPAIGN_PROGRAMS)
        return self

    def people(self, number: int) -> str:
        """A topic with exactly so many people; the same ones when asked again."""
        slug = f"of-{number}"
        if not self.query("SELECT 1 FROM contacts_topic WHERE slug = %s", [slug]):
            self.add_contacts(number, prefix=f"{slug}-")
            self.execute(_TOPIC, {"brand": self.brand_id, "slug": slug})
            self.execute("ANALYZE contacts_topicsubscription")
        return slug


def _send(running: _Started, number: int) -> float:
    """Seconds from launch to the last accepted mail, for a campaign to `number` people."""
    topic = running.people(number)
    campaign = running.create_campaign(audience={"topics": {"any": [topic]}})
    seen = sum(1 for _ in running.sandbox.accepted())
    started = time.time()
    mailing = running.launch(campaign)
    running.await_completion(mailing, seconds=300)
    accepted = list(running.sandbox.accepted())[seen:]
    if len(accepted) != number or not running.compare(mailing).agrees:
        raise RuntimeError(f"{len(accepted)} of {number} were accepted: no figure counts")
    return max(message.t for message in accepted) - started
