"""Engagement: everybody into another tier at once, and a million interactions."""

from __future__ import annotations

from tests.rows import Row
from tests.stations import SendingStation

CONTACTS = 100_000
INTERACTIONS = 1_000_000
RECOMPUTE_SECONDS = 20
PULSE_ROWS_PER_SECOND = 30_000
STATEMENTS_PER_PAGE = 5


def recompute() -> list[Row]:
    """100,000 contacts with ten mails and interactions each, all of them into another tier."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(CONTACTS)
        figures = running.desk.call(
            "tests.benchmarks.engagement_desk:recompute",
            sender=running.sender_id,
            within_seconds=900,
        )
        took, per_page = figures["seconds"], figures["statements_per_page"]
        return [
            Row("100,000 contacts into another tier", round(took, 1), "s",
                f"under {RECOMPUTE_SECONDS}", took < RECOMPUTE_SECONDS),
            Row("moved, each with a wish and a record", figures["moved"], "", f"{CONTACTS}",
                figures["moved"] == figures["wishes"] == figures["records"] == CONTACTS),
            Row("the same again, nothing to change", round(figures["again_seconds"], 1), "s"),
            Row("wishes written by that", figures["again_wishes"], "", "0",
                figures["again_wishes"] == 0),
            Row("statements per page of 10,000", per_page, "", f"at most {STATEMENTS_PER_PAGE}",
                per_page <= STATEMENTS_PER_PAGE),
        ]  # fmt: skip


def pulse() -> list[Row]:
    """1,000,000 interactions, taken in calls of 5,000, stored by two workers."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(CONTACTS)
        figures = running.desk.call(
            "tests.benchmarks.engagement_desk:take_interactions",
            brand=running.brand_id,
            number=INTERACTIONS,
            within_seconds=600,
        )
        took = running.desk.call(
            "tests.benchmarks.engagement_desk:store_all", workers=2, within_seconds=600
        )
        [kept] = running.query("SELECT count(*) AS number FROM newsletter_interaction")
        rate = INTERACTIONS / took
        return [
            Row("interactions stored by two workers", round(rate), "rows/s",
                f"at least {PULSE_ROWS_PER_SECOND}", rate >= PULSE_ROWS_PER_SECOND),
            Row("interactions in the table", kept["number"], "", f"{INTERACTIONS}",
                kept["number"] == INTERACTIONS),
            Row("a call of 5,000 checked and kept", round(figures["ms_per_call"], 1), "ms"),
        ]  # fmt: skip
