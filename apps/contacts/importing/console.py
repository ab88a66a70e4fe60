"""An import as its operator sees it: the plan, the progress, the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from apps.contacts.importing.columns import TRAIT_PREFIX
from apps.contacts.importing.dialect import DELIMITERS
from apps.contacts.importing.merging import OnConflict
from apps.contacts.importing.reading import Phase, Progress

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from apps.contacts.importing.planning import ImportPlan
    from apps.contacts.importing.running import ImportSummary

PLAIN_EVERY_SECONDS = 5.0
COLUMNS_SHOWN = 30

_RULES = {
    OnConflict.FILL: "fill: only empty fields are filled, traits that exist stay",
    OnConflict.OVERWRITE: "overwrite: the file wins, but an empty cell never erases",
}


class Display(Protocol):
    """Shows progress while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __call__(self, progress: Progress) -> None: ...


def make_display(console: Console) -> Display:
    """A bar for a person at a terminal, plain lines for a log."""
    return BarDisplay(console) if console.is_terminal else PlainDisplay(console)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate = task.fields["rows_each_second"]
        return Text(f"{task.fields['rows']:,} rows" + (f" · {rate:,.0f}/s" if rate else ""))


class BarDisplay:
    def __init__(self, console: Console) -> None:
        self._bar = ProgressBar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _RateColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._rate = _Rate()
        self._task = self._bar.add_task(Phase.READING, total=None, rows=0, rows_each_second=0.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        is_reading = progress.phase is Phase.READING
        self._bar.update(
            self._task,
            description=progress.phase,
            # How long a merge takes is not known: the bar then only shows that it lives.
            total=progress.bytes_total if is_reading else None,
            completed=progress.bytes_done,
            rows=progress.rows,
            rows_each_second=self._rate.after(progress.rows) if is_reading else 0.0,
        )


class PlainDisplay:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._rate = _Rate()
        self._phase: Phase | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put back."""

    def __call__(self, progress: Progress) -> None:
        rate = self._rate.after(progress.rows)
        now = time.monotonic()
        if progress.phase is self._phase and now - self._shown_at < PLAIN_EVERY_SECONDS:
            return
        self._phase, self._shown_at = progress.phase, now
        line = f"{progress.phase}: {progress.rows:,} rows"
        if progress.phase is Phase.READING:
            share = 100 * progress.bytes_done / max(progress.bytes_total, 1)
            line += f", {share:.0f} %" + (f", {rate:,.0f} rows/s" if rate else "")
        self._console.print(line)


class _Rate:
    """Rows each second since the first call; rows staged by an earlier run do not count."""

    def __init__(self) -> None:
        self._started_at: float | None = None
        self._first = 0

    def after(self, rows: int) -> float:
        now = time.monotonic()
        if self._started_at is None:
            self._started_at, self._first = now, rows
        seconds = now - self._started_at
        return (rows - self._first) / seconds if seconds > 0 else 0.0


def show_plan(console: Console, plan: ImportPlan, *, going_on_at_line: int | None) -> None:
    facts = Table(show_header=False, box=None, title="What will happen", title_justify="left")
    for name, text in _facts(plan, going_on_at_line):
        facts.add_row(name, text)
    console.print(facts)
    for note in plan.notes():
        console.print(f"[yellow]Note:[/] {_plain(note)}", highlight=False)


def show_summary(console: Console, summary: ImportSummary, *, is_preview: bool) -> None:
    counts = summary.counts
    title = "What would happen" if is_preview else "What happened"
    table = Table("rows", "number", title=title, title_justify="left")
    table.columns[1].justify = "right"
    rejected = sum(summary.rejected.values())
    for name, number in (
        ("read", summary.rows_read),
        ("created", counts.created),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("rejected", rejected),
        *((f"  {fault}", number) for fault, number in summary.rejected.items()),
    ):
        table.add_row(name, f"{number:,}")
    table.add_section()
    table.add_row("topic opt-ins added to known people", f"{counts.opted_in:,}")
    table.add_row("unsubscribed, and kept so", f"{counts.unsubscribed_kept:,}")
    table.add_row("suppressed: imported, but not mailed", f"{counts.suppressed:,}")
    console.print(table)
    if summary.short_rows:
        console.print(
            f"Rows with fewer cells than the header: {summary.short_rows:,}; what is missing "
            "counts as empty.",
            highlight=False,
        )
    if summary.rejects_path:
        console.print("Rejected rows, with line, field and reason, to correct and import again:")
        console.print(f"  {_plain(str(summary.rejects_path))}", highlight=False, soft_wrap=True)


def _facts(plan: ImportPlan, going_on_at_line: int | None) -> list[tuple[str, str]]:
    options = plan.options
    facts = [
        ("file", f"{_plain(plan.path.name)}, {plan.inspection.size_bytes:,} bytes"),
        ("encoding", plan.inspection.encoding),
        ("delimiter", DELIMITERS[plan.delimiter]),
        ("columns", _columns(plan)),
        ("where the contact differs", _RULES[options.on_conflict]),
        ("new people become", f"{options.status} (nobody who left is subscribed again)"),
        ("consent", _plain(options.consent) or "none: they still have to confirm"),
        ("topics", ", ".join(map(_plain, options.topics)) or "none"),
    ]
    if going_on_at_line is not None:
        facts.append(("goes on", f"at line {going_on_at_line:,}, where it stopped"))
    return facts


def _columns(plan: ImportPlan) -> str:
    shown = [
        f"{_plain(one.name)} → {_plain(one.target) or 'skipped'}"
        for one in plan.columns.columns[:COLUMNS_SHOWN]
    ]
    hidden = len(plan.columns.columns) - len(shown)
    more = [f"and {hidden} more ({TRAIT_PREFIX}…)"] if hidden else []
    return "\n".join(shown + more)


def _plain(text: str) -> str:
    """Text of the file, without anything that rich or a terminal would act on."""
    visible = "".join(one if one.isprintable() else " " for one in text)
    return visible.replace("[", "\\[")
