"""People by the million: suppression, audiences, imports."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rows import Row
from tests.stations import SendingStation

MILLION = 1_000_000
ROUNDS = 3
LOOK_UPS = 25  # of some milliseconds each: three would measure the machine's mood


def suppression() -> list[Row]:
    """1,000 addresses looked up among 1,000,000 suppressed ones, in one query."""
    with SendingStation("bench") as running:
        took = [
            float(one) * 1000
            for one in running.desk.call(
                "tests.benchmarks.desk:look_up_suppressed", number=MILLION, asked=1_000,
                rounds=LOOK_UPS, within_seconds=300,
            )
        ]  # fmt: skip
        median = statistics.median(took)
        return [Row("1,000 addresses among 1,000,000 suppressed", round(median, 2), "ms",
                    "under 10", median < 10)]  # fmt: skip


def audience() -> list[Row]:
    """An audience of 1,000,000 becomes messages and batches; the planner's memory stays flat."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(MILLION)
        figures = running.desk.call(
            "tests.benchmarks.desk:plan_audience",
            sender=running.sender_id,
            rounds=ROUNDS,
            within_seconds=600,
        )
        took = statistics.median(figures["seconds"])
        growth = figures["grown_mb"]
        return [
            Row("audience of 1,000,000 materialised", round(took, 1), "s", "under 30", took < 30),
            Row("planner's memory grown", round(growth, 1), "MB", "under 10", growth < 10),
            Row("statements per page of 10,000", figures["statements_per_page"], "", "at most 5",
                figures["statements_per_page"] <= 5),
        ]  # fmt: skip


def dry_run() -> list[Row]:
    """Who of 1,000,000 would get a campaign and who not, each with a row; and a cancellation."""
    with SendingStation("bench", durable=True) as running:
        running.add_contacts(MILLION)
        campaign = running.create_campaign(audience={"everyone": True})
        running.desk.call("tests.benchmarks.desk:let_some_leave")
        figures = running.desk.call(
            "tests.benchmarks.desk:run_dry", campaign=campaign, rounds=ROUNDS, within_seconds=300
        )
        took, cancelled = (statistics.median(figures[name]) for name in ("seconds", "to_cancel"))
        skipped = figures["skipped"]
        return [
            Row("dry run over 1,000,000 contacts", round(took, 1), "s", "under 10", took < 10),
            Row("of them skipped", skipped, "", "150,000", skipped == 150_000),
            Row("until a cancellation is obeyed", round(cancelled, 2), "s", "under 1",
                cancelled < 1),
        ]  # fmt: skip


def statements() -> list[Row]:
    """Database statements for one batch of 100, claim to settle."""
    with SendingStation("bench") as running:
        running.add_contacts(300)
        counts = running.desk.call(
            "tests.benchmarks.desk:count_statements", sender=running.sender_id
        )
        return [
            Row("statements per batch of 100, claim to settle", max(counts), "", "at most 8",
                max(counts) <= 8),
            Row("the same for another batch", min(counts), "", "the same", len(set(counts)) == 1),
        ]  # fmt: skip


def imports() -> list[Row]:
    """1,000,000 people from a CSV, beside the ORM's bulk_create of the same in the same run."""
    with SendingStation("bench", durable=True) as running, TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        with path.open("w") as file:
            file.write("email,first_name,last_name,city\n")
            file.writelines(
                f"someone{n}@people.example,Ada{n},Lovelace,Turin\n" for n in range(MILLION)
            )
        figures = running.desk.call(
            "tests.benchmarks.desk:import_people",
            path=str(path),
            number=MILLION,
            within_seconds=900,
        )
        ours, orm = figures["import"], figures["bulk_create"]
        return [
            Row("import of 1,000,000 contacts", round(ours), "rows/s"),
            Row("bulk_create of contacts, nothing checked", round(orm), "rows/s"),
            Row("import against bulk_create", round(ours / orm, 2), "times"),
        ]
