"""Kill a worker between two named statements: the moments that matter, each hit on purpose.

`python -m celery -A tests.faults.killing` is the station's own worker whose functions end the
process at one point, a given number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.killing import POINTS
from tests.rows import Row
from tests.stations import QUICK, SendingStation

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = "worker-batch-email"


@dataclass(frozen=True)
class Outcome:
    point: str
    kills: int
    sent: int
    accepted: int
    agrees: bool


def run(*, recipients: int, kills: int, points: tuple[str, ...] = POINTS) -> list[Row]:
    """A campaign per point; each survives `kills` deaths at its point with nothing lost."""
    rows = []
    sandbox = {"rate_limit": 0, "latency_ms": 20}
    with SendingStation("faults", environment=QUICK, sandbox=sandbox, durable=True) as running:
        running.start("sweeper", "worker-control", "worker-audience")
        running.add_contacts(recipients)
        for point in points:
            outcome = _run_point(running, point, kills)
            rows += _rows(outcome, recipients, kills)
    return rows


def _run_point(running: SendingStation, point: str, kills: int) -> Outcome:
    folder = running.station.folder / f"kills-{point}"
    folder.mkdir()
    before = sum(1 for _ in running.sandbox.accepted())
    mailing = running.launch(running.create_campaign(name=point))
    _start_killing_worker(running, point, kills, folder)
    running.await_completion(mailing, seconds=120)
    running.station.supervision.stop(_program(point))
    return Outcome(
        point=point,
        kills=len(list(folder.iterdir())),
        sent=running.counts(mailing).get(("sent", ""), 0),
        accepted=sum(1 for _ in running.sandbox.accepted()) - before,
        agrees=bool(running.compare(mailing).agrees),
    )


def _start_killing_worker(running: SendingStation, point: str, kills: int, folder: Path) -> None:
    running.start_variant(
        WORKERS,
        name=_program(point),
        application="tests.faults.killing",
        environment={
            "FAULT_POINT": point,
            "FAULT_TIMES": str(kills),
            "FAULT_FOLDER": str(folder),
        },
        concurrency=2,
    )


def _program(point: str) -> str:
    return f"{WORKERS}-{point.replace('_', '-')}"


def _rows(outcome: Outcome, recipients: int, kills: int) -> list[Row]:
    point = outcome.point
    return [
        Row(f"{point}: killed", outcome.kills, "times", f"{kills}", outcome.kills == kills),
        Row(f"{point}: accepted by the provider", outcome.accepted, "", f"{recipients}",
            outcome.accepted == recipients),
        Row(f"{point}: sent by our ledger", outcome.sent, "", "the same rows",
            outcome.agrees and outcome.sent == recipients),
    ]  # fmt: skip
