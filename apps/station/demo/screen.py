"""What the demo writes to the screen: chapters, finished steps, progress; plain lines in a pipe."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from apps.station.demo.waiting import WaitedTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.progress import Task

_POLL_SECONDS = 0.25
_LINE_SECONDS = 3.0


class _Rate(ProgressColumn):
    """How many a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "-/s", style="progress.data.speed")


class Screen:
    """Chapters are numbered; a step is one line that ends with the time it took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._chapters = 0

    def say(self, text: str = "") -> None:
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self.console.print(f"\n[bold]{self._chapters}  {title}[/]")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """A spinner while the block runs, then the line with its time."""
        started = time.monotonic()
        with self.console.status(f"{text} ..."):
            yield
        self.console.print(f"   [green]✓[/] {text} [dim]({time.monotonic() - started:.1f} s)[/]")

    def command(self, *words: str) -> None:
        """Show a command as one would type it."""
        line = Text(f"   $ {shlex.join(words)}", style="cyan")
        self.console.print(line, soft_wrap=True)

    def watch(
        self,
        title: str,
        *,
        done: Callable[[], int],
        total: Callable[[], int],
        seconds: float,
        log: str,
    ) -> None:
        """Show progress until `done` reaches `total`, both asked again and again.

        Raises `WaitedTooLongError` after `seconds`.
        """
        deadline = time.monotonic() + seconds
        show = self._bar if self.console.is_terminal else self._lines
        with show(title) as update:
            while True:
                number, of = done(), total()
                update(number, of)
                if number >= of:
                    return
                if time.monotonic() > deadline:
                    raise WaitedTooLongError(f"{title} ({number:,} of {of:,})", seconds, log)
                time.sleep(_POLL_SECONDS)

    @contextmanager
    def _bar(self, title: str) -> Iterator[Callable[[int, int], None]]:
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        )
        with Progress(*columns, console=self.console, refresh_per_second=8) as progress:
            task = progress.add_task(title, total=None)
            yield lambda number, of: progress.update(task, completed=number, total=of)

    @contextmanager
    def _lines(self, title: str) -> Iterator[Callable[[int, int], None]]:
        started = last = time.monotonic()
        first: int | None = None

        def update(number: int, of: int) -> None:
            nonlocal first, last
            now = time.monotonic()
            first = number if first is None else first
            if now - last < _LINE_SECONDS and number < of:
                return
            last = now
            rate = (number - first) / max(now - started, 0.001)
            left = f", {(of - number) / rate:.0f} s left" if rate and number < of else ""
            self.console.print(f"   {title}: {number:,} of {of:,}, {rate:,.0f}/s{left}")

        yield update


def short(path: Path) -> str:
    """A path as one would type it from where the demo was started."""
    return os.path.relpath(path)
