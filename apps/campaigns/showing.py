"""Campaigns on a terminal: a live bar, plain lines where there is no terminal, and tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from apps.mail.models import Mailing, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from rich.console import Console

    from apps.campaigns.checking import Problem
    from apps.campaigns.counting import AudienceCount
    from apps.campaigns.models import Campaign
    from apps.campaigns.watching import Sight
    from apps.mail.results import Effort, Results

LINE_EVERY_SECONDS = 5.0


class LiveBar:
    """A bar that is drawn over itself; a context manager."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("", words="")

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

    def show(self, sight: Sight) -> None:
        self._bar.update(
            self._task,
            description=state_in_words(sight),
            total=max(sight.total, 1),
            completed=sight.progress.done,
            words=in_words(sight),
        )

    def say(self, text: str) -> None:
        self._bar.update(self._task, description=text)


class PlainLines:
    """A line every few seconds, for logs and pipes; a context manager like the bar."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        every_seconds: float = LINE_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._every_seconds = every_seconds
        self._clock = clock
        self._next_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is drawn, nothing has to be undone."""

    def show(self, sight: Sight) -> None:
        at_once = sight.progress.state != Mailing.State.RUNNING
        self._line(f"{state_in_words(sight)}: {in_words(sight)}", at_once=at_once)

    def say(self, text: str) -> None:
        self._line(text, at_once=False)

    def _line(self, text: str, *, at_once: bool) -> None:
        now = self._clock()
        if at_once or now >= self._next_at:
            self._write(f"{datetime.now(tz=UTC):%H:%M:%S} {text}")
            self._next_at = now + self._every_seconds


def state_in_words(sight: Sight) -> str:
    """A running mailing whose account was stopped looks alive and does not move: say so."""
    stopped = sight.progress.account_stopped
    return (
        f"{sight.progress.state}, but the account is stopped ({stopped})"
        if stopped
        else (sight.progress.state)
    )


def in_words(sight: Sight) -> str:
    """`1,200 of 40,000 · 400/s · 97 s left`."""
    open_end = "" if sight.progress.audience_complete else "+"
    parts = [f"{sight.progress.done:,} of {sight.total:,}{open_end}"]
    if sight.progress.failed or sight.progress.unknown:
        parts.append(f"{sight.progress.failed + sight.progress.unknown:,} failed or unknown")
    parts.append(f"{sight.per_second:,.0f}/s")
    if sight.seconds_left is not None:
        parts.append(f"{_duration(timedelta(seconds=sight.seconds_left))} left")
    return " · ".join(parts)


def results_table(campaign: Campaign, results: Results, effort: Effort) -> Table:
    """What became of everybody, by reason, and what it took."""
    table = Table(title=f"{campaign.name} ({campaign.state})", title_justify="left")
    table.add_column("what")
    table.add_column("reason")
    table.add_column("people", justify="right")
    table.add_row("sent", "", _number(results.total(Message.State.SENT)))
    for state in (Message.State.SKIPPED, Message.State.FAILED, Message.State.UNKNOWN):
        _add_reasons(table, state, results.by_reason(state))
    if pending := results.total(Message.State.PENDING):
        table.add_row("pending", "", _number(pending))
    table.add_section()
    table.add_row("audience", "", _number(results.total()))
    table.add_row("provider calls", "", _number(effort.calls))
    ended_at = effort.ended_at or datetime.now(tz=UTC)
    took = _duration(ended_at - effort.started_at)
    table.add_row("duration" if effort.ended_at else "duration so far", "", took)
    return table


def _add_reasons(table: Table, state: str, numbers: Mapping[str, int]) -> None:
    table.add_row(state, "", _number(sum(numbers.values())))
    for reason, number in numbers.items():
        table.add_row("", reason, _number(number))


def count_table(count: AudienceCount) -> Table:
    table = Table(title="audience", title_justify="left")
    table.add_column("who")
    table.add_column("people", justify="right")
    table.add_row("would get it", _number(count.would_get))
    for reason, number in count.skipped.items():
        table.add_row(f"skipped: {reason}", _number(number))
    table.add_section()
    table.add_row("in the audience", _number(count.total))
    return table


def problem_lines(problems: Iterable[Problem]) -> Iterable[str]:
    """Blocking ones first."""
    for problem in sorted(problems, key=lambda one: not one.blocking):
        kind = "must be corrected" if problem.blocking else "worth a look"
        yield f"{kind} ({problem.code}): {problem.message}"


def campaigns_table(campaigns: Iterable[Campaign]) -> Table:
    table = Table("id", "brand", "slug", "name", "state", "launched", "by")
    for campaign in campaigns:
        launched_at = campaign.launched_at
        table.add_row(
            str(campaign.pk),
            campaign.brand.slug,
            campaign.slug,
            campaign.name,
            _state(campaign),
            f"{launched_at:%Y-%m-%d %H:%M} UTC" if launched_at else "",
            campaign.launched_by,
        )
    return table


def _state(campaign: Campaign) -> str:
    reason = campaign.mailing.state_reason if campaign.mailing else ""
    return f"{campaign.state}: {reason}" if reason else campaign.state


def _number(value: int) -> str:
    return f"{value:,}"


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - two digits
    return str(timedelta(seconds=round(seconds)))
