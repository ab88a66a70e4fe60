"""Two calls at the same moment, on two connections, in an order that is forced."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Callable


class Elsewhere(threading.Thread):
    """A call on a connection of its own, in a transaction that is left open until `let_go`."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.called, self._may_commit = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.backend = 0

    def run(self) -> None:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    self.backend = cursor.fetchone()[0]
                self._call()
                self.called.set()
                self._may_commit.wait(60)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.called.set()
            connection.close()

    def let_go(self) -> None:
        self._may_commit.set()
        self.join(60)


def wait_until_blocked(other: Elsewhere) -> None:
    """Until the server itself says that the other transaction waits for somebody."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [other.backend])
            if other.backend and cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    pytest.fail("the second run waited for nobody")


def run_both(first: Callable[[], object], second: Callable[[], object]) -> Elsewhere:
    """The second begins once the first has chosen, and waits; then both commit."""
    one, other = Elsewhere(first), Elsewhere(second)
    one.start()
    assert one.called.wait(60)
    other.start()
    wait_until_blocked(other)
    one.let_go()
    assert one.error is None
    assert other.called.wait(60)
    other.let_go()
    return other
