"""What waits in a queue, told by the rooms whose rows wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    Source = Callable[[], "Backlog"]

COUNTED_AT_MOST = 100_000
"""Nobody needs to know more exactly how full a queue is, and counting must stay cheap."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """`due` rows may be worked now, the oldest since `oldest_due_at`; `in_progress` are leased.

    `oldest_due_at` is None where nothing is due, and where the rows do not say since when they
    are: then the first look that found them counts.
    """

    due: int
    oldest_due_at: datetime | None = None
    in_progress: int = 0

    def __add__(self, other: Backlog) -> Backlog:
        known = [one for one in (self.oldest_due_at, other.oldest_due_at) if one is not None]
        return Backlog(
            due=self.due + other.due,
            oldest_due_at=min(known, default=None),
            in_progress=self.in_progress + other.in_progress,
        )


_sources: dict[str, dict[str, Source]] = {}


def register_backlog(queue: str, name: str, source: Source) -> None:
    """A room tells how it counts what waits; several of one queue add up.

    One statement, on an index, bounded by `COUNTED_AT_MOST`; called from `AppConfig.ready`.
    """
    _sources.setdefault(queue, {})[name] = source


def backlog_sources() -> Mapping[str, Mapping[str, Source]]:
    """By queue and name."""
    return _sources


def ask_backlog(statement: str) -> Backlog:
    """Runs a statement that answers one row: due, oldest due, in progress."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        due, oldest_due_at, in_progress = cursor.fetchone()
    return Backlog(int(due), oldest_due_at, int(in_progress))
