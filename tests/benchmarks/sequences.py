"""A step of a sequence that 100,000 people are due for, beside a campaign to the same people."""

from __future__ import annotations

from tests.rows import Row
from tests.stations import SendingStation

CONTACTS = 100_000
LEAST_SHARE = 0.8
"""Of a campaign's rate of sealing: what is sealed is made the same way, so this is noise only."""


def sequence_steps() -> list[Row]:
    """Entering, claiming the due step into batches, and sealing these, all at full size."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(CONTACTS)
        told = running.desk.call(
            "tests.benchmarks.sequences_desk:due_steps",
            sender=running.sender_id,
            within_seconds=900,
        )
    share = told["sealed_a_second"] / told["campaign_sealed_a_second"]
    claimed, sealed = told["claimed_a_second"], told["campaign_sealed_a_second"]
    return [
        Row("people due for a step", told["due"], "", f"{CONTACTS}", told["due"] == CONTACTS),
        Row("entered the sequence", round(told["entered_a_second"]), "a second"),
        Row("nobody left to enter, each minute's look", round(told["look_seconds"], 2), "s"),
        Row("claimed and put into batches", round(claimed), "a second",
            "no slower than a campaign is sealed", claimed >= sealed),
        Row("statements per page of 10,000", told["statements_per_page"], ""),
        Row("audience of a campaign to the same people", round(told["campaign_planned_a_second"]),
            "a second"),
        Row("sealed, of the step", round(told["sealed_a_second"]), "mails/s",
            f"at least {LEAST_SHARE:.0%} of a campaign's", share >= LEAST_SHARE),
        Row("sealed, of the campaign", round(sealed), "mails/s"),
    ]  # fmt: skip
