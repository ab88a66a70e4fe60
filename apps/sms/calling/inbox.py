"""Answers on their way from the event loop's thread to the thread of a pump."""

from __future__ import annotations

from collections import deque
from threading import Event
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue whose reader sleeps until enough has come.

    Waking for each answer would cost more than the answer: both threads share one interpreter.
    One thread takes, one or several put.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._wanted = 1
        self._enough = Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        self._items.append(item)
        if len(self._items) >= self._wanted and not self._enough.is_set():
            self._enough.set()

    def take(self, *, wanted: int, wait_s: float) -> list[T]:
        """All there is as soon as `wanted` are there, or after `wait_s`; perhaps nothing."""
        self._wanted = wanted
        self._enough.clear()
        # Looked at after the clearing: what came before it is seen here, what comes later wakes.
        if wait_s > 0 and len(self._items) < wanted:
            self._enough.wait(wait_s)
        return [self._items.popleft() for _ in range(len(self._items))]
