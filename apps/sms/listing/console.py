"""A list sync as seen from the command line: the progress, the result."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress as ProgressBar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from rich.console import Console

    from apps.sms.listing.running import Progress
    from apps.sms.models import ListSyncRun

    Shown: TypeAlias = Callable[[Progress], None]

PLAIN_EVERY_SECONDS = 5.0
_MEGABYTE = 1_000_000


@contextmanager
def shown_progress(console: Console) -> Iterator[Shown]:
    """Shows a sync under way: a live line for a person at a terminal, plain lines for a log."""
    if not console.is_terminal:
        yield _plain(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("asking the provider", total=None)
        yield lambda progress: bar.update(task, description=_told(progress))


def _plain(console: Console) -> Shown:
    last = 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY_SECONDS:
            last = time.monotonic()
            console.print(_told(progress), highlight=False)

    return show


def _told(progress: Progress) -> str:
    rejected = f", {progress.rejected:,} rejected" if progress.rejected else ""
    return (
        f"{progress.phase}: {progress.records:,} people, "
        f"{progress.bytes_read / _MEGABYTE:,.1f} MB{rejected}"
    )


def show_result(console: Console, run: ListSyncRun) -> None:
    """What the run did, or why it did nothing."""
    table = Table("people", "number", title=f"{run.opt_in_list}: {run.get_state_display()}")
    table.columns[1].justify = "right"
    for name, number in (
        ("on the list", run.records),
        ("rejected", run.rejected),
        ("numbers nobody knew", run.created),
        ("joined", run.joined),
        ("verified", run.verified),
        ("kept out: left with us after that", run.kept_out),
        ("left", run.left),
    ):
        table.add_row(name, f"{number:,}")
    console.print(table)
    if run.problem:
        console.print(run.problem, highlight=False, markup=False)
