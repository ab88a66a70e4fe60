"""Lists of opted-in people: 100,000 new, the same again, and a million in the same memory."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from apps.sandbox.lime.handle import LimeSandbox
from tests.rows import Row
from tests.stations import SendingStation

HUNDRED_THOUSAND, MILLION = 100_000, 1_000_000
API_ID = "bench-api-id"


def lists() -> list[Row]:
    """From the provider's first byte to the commit; the stand-in makes the list as it is read."""
    with (
        TemporaryDirectory() as folder,
        LimeSandbox(Path(folder), users={"bench": API_ID}) as lime,
        SendingStation("bench", environment={"LIME_API_URL": lime.url}, durable=True) as running,
    ):
        rows = []
        for number in (HUNDRED_THOUSAND, MILLION):
            lime.configure(lists=f"{number}={number}")
            for name in ("new", "known"):
                before = lime.stats().cpu_seconds
                found = running.desk.call(
                    "tests.benchmarks.lists_desk:sync_list", list_id=str(number), api_id=API_ID,
                    within_seconds=600,
                )  # fmt: skip
                found["stand_in"] = lime.stats().cpu_seconds - before
                rows += _rows(number, name, found)
        return rows


def _rows(number: int, name: str, found: dict[str, float]) -> list[Row]:
    took, grown = found["seconds"], found["grown_mb"]
    title = f"list of {number:,} {name} people"
    hasty = number == HUNDRED_THOUSAND
    return [
        Row(f"{title}: synced", round(took, 1), "s", "under 5" if hasty else "",
            took < 5 or not hasty),
        Row(f"{title}: of the document", round(found["megabytes"], 1), "MB"),
        Row(f"{title}: memory grown", round(grown, 1), "MB", "under 100", grown < 100),
        Row(f"{title}: our CPU", round(found["cpu_seconds"], 1), "s"),
        Row(f"{title}: the stand-in's own CPU", round(found["stand_in"], 1), "s"),
    ]  # fmt: skip
