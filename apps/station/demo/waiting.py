"""Waiting with an end: every wait of the demo names what it waits for and when it gives up."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_POLL_SECONDS = 0.1


class WaitedTooLongError(Exception):
    """Something did not happen in time. `log` names the program whose log may tell why."""

    def __init__(self, what: str, seconds: float, log: str) -> None:
        super().__init__(f"{what} took longer than {seconds:g} s")
        self.log = log


def await_true(condition: Callable[[], bool], *, what: str, seconds: float, log: str) -> None:
    """Wait until `condition` holds. Raises `WaitedTooLongError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise WaitedTooLongError(what, seconds, log)
        time.sleep(_POLL_SECONDS)


@contextmanager
def deadline(what: str, *, seconds: float, log: str) -> Iterator[None]:
    """End the block with `WaitedTooLongError` after `seconds`, wherever it hangs.

    For commands that run in this process; main thread only, not within each other.
    """

    def give_up(_: int, __: FrameType | None) -> NoReturn:
        raise WaitedTooLongError(what, seconds, log)

    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
