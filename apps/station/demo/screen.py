"""What the demo writes to the screen: chapters, finished steps, progress; plain lines in a pipe."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from apps.station.demo.waiting import WaitedTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_SECONDS = 0.25
_LINE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Pace:
    """How far something is, `first` being how far it was `elapsed` seconds ago."""

    number: int
    of: int
    first: int
    elapsed: float

    def in_words(self) -> str:
        """`1,200 of 40,000 · 400/s · 97 s left`."""
        words = f"{self.number:,} of {self.of:,}"
        rate = (self.number - self.first) / self.elapsed if self.elapsed else 0
        if rate and self.number < self.of:
            return f"{words} · {rate:,.0f}/s · {(self.of - self.number) / rate:,.0f} s left"
        return f"{words} · {rate:,.0f}/s"


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
            first, started = done(), time.monotonic()
            while True:
                pace = _Pace(done(), total(), first, time.monotonic() - started)
                update(pace)
                if pace.number >= pace.of:
                    return
                if time.monotonic() > deadline:
                    raise WaitedTooLongError(f"{title} ({pace.in_words()})", seconds, log)
                time.sleep(_POLL_SECONDS)

    @contextmanager
    def _bar(self, title: str) -> Iterator[Callable[[_Pace], None]]:
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[words]}"),
        )
        with Progress(*columns, console=self.console, refresh_per_second=8) as progress:
            task = progress.add_task(title, total=None, words="")
            yield lambda pace: progress.update(
                task, completed=pace.number, total=pace.of, words=pace.in_words()
            )

    @contextmanager
    def _lines(self, title: str) -> Iterator[Callable[[_Pace], None]]:
        next_at = time.monotonic() + _LINE_SECONDS

        def update(pace: _Pace) -> None:
            nonlocal next_at
            if time.monotonic() >= next_at or pace.number >= pace.of:
                next_at = time.monotonic() + _LINE_SECONDS
                self.say(f"   {title}: {pace.in_words()}")

        yield update


def short(path: Path) -> str:
    """A path as one would type it from where the demo was started."""
    return os.path.relpath(path)
