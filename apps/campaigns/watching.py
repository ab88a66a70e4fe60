"""Watching a campaign go out: how far, how fast, how long still."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from django.db import InterfaceError, OperationalError, connection

from apps.mail.models import Mailing
from apps.mail.results import Progress, progress

if TYPE_CHECKING:
    from collections.abc import Callable

# Long enough to smooth the steps of 100, short enough to follow a change.
PACE_WINDOW_SECONDS = 10.0
POLL_SECONDS = 0.5


@dataclass
class Pace:
    """The speed of the last seconds."""

    samples: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, now: float, done: int) -> None:
        self.samples.append((now, done))
        while now - self.samples[0][0] > PACE_WINDOW_SECONDS:
            self.samples.popleft()

    @property
    def per_second(self) -> float:
        (first_at, first), (last_at, last) = self.samples[0], self.samples[-1]
        return max(0.0, (last - first) / (last_at - first_at)) if last_at > first_at else 0.0


@dataclass(frozen=True)
class Sight:
    """One look: numbers of people, people per second, seconds left (None: cannot be told)."""

    progress: Progress
    total: int
    per_second: float
    seconds_left: float | None


class Display(Protocol):
    def show(self, sight: Sight) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True)
class Eyes:
    """How a watch sees and waits; tests bring their own."""

    look: Callable[[], Progress]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def watch(
    mailing: Mailing, display: Display, *, expected: int = 0, eyes: Eyes | None = None
) -> Progress:
    """Shows a mailing until it is over or paused; returns the last look.

    `expected` is the number of people counted before, for the time in which the audience is still
    being planned. A database that is away is waited for.
    """
    watching = eyes or Eyes(lambda: progress(mailing))
    pace = Pace()
    while True:
        try:
            seen = watching.look()
        except (OperationalError, InterfaceError):
            display.say("The database is away; waiting for it.")
            connection.close()
            watching.sleep(POLL_SECONDS)
            continue
        pace.note(watching.clock(), seen.done)
        display.show(_sight(seen, pace, expected))
        if _is_over(seen):
            return seen
        watching.sleep(POLL_SECONDS)


def _sight(seen: Progress, pace: Pace, expected: int) -> Sight:
    total = seen.audience if seen.audience_complete else max(seen.audience, expected)
    left = total - seen.done
    known = seen.audience_complete or expected > 0
    per_second = pace.per_second
    seconds_left = left / per_second if per_second and known else None
    return Sight(seen, total, per_second, 0.0 if seen.complete else seconds_left)


def _is_over(seen: Progress) -> bool:
    match seen.state:
        case Mailing.State.COMPLETED | Mailing.State.PAUSED:
            return True
        case Mailing.State.CANCELLED:
            return not seen.pending
        case _:
            return False
