"""A record of each run of a digest or a sequence: one log line, one row."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from apps.newsletter.models import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

DETAIL_LIMIT = 300


@dataclass
class Run:
    """What the run at work has found so far; `quiet` leaves no record of it."""

    row_count: int = 0
    detail: str = ""
    outcome: RunRecord.Outcome = RunRecord.Outcome.DONE
    quiet: bool = False


@contextmanager
def recorded(name: str, *, brand_id: int, **arguments: int | str) -> Iterator[Run]:
    """Records what the block does, also where it raises; `arguments` never hold an address.

    To be entered outside of transactions: the record of a failure must outlive its rollback.
    """
    run = Run()
    started = time.perf_counter()
    try:
        yield run
    except Exception as error:
        run.outcome, run.detail, run.quiet = RunRecord.Outcome.FAILED, type(error).__name__, False
        raise
    finally:
        if not run.quiet:
            _record(name, brand_id, arguments, run, round((time.perf_counter() - started) * 1000))


def _record(
    name: str, brand_id: int, arguments: dict[str, int | str], run: Run, duration_ms: int
) -> None:
    log.info(
        "run_ended",
        name=name,
        args=arguments,
        row_count=run.row_count,
        duration_ms=duration_ms,
        outcome=run.outcome.value,
        detail=run.detail,
    )
    RunRecord.objects.create(
        month=datetime.now(tz=UTC).date().replace(day=1),
        brand_id=brand_id,
        name=name,
        arguments=arguments,
        row_count=run.row_count,
        duration_ms=duration_ms,
        outcome=run.outcome,
        detail=run.detail[:DETAIL_LIMIT],
    )
