"""When a worker speaks to its supervisor, and when it falls silent."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from apps.queues.watchdog import Notifier, ProgressMark, StallWatch, speak

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


class Worker:
    """What a watch asks: is there work, is a task running, what time is it."""

    def __init__(self) -> None:
        self.has_work = self.is_working = False
        self.mark = ProgressMark()
        self.now = time.monotonic()
        self.watch = StallWatch(
            ["control", "imports"],
            mark=self.mark,
            has_work=self._has_work,
            is_working=lambda: self.is_working,
            clock=lambda: self.now,
        )

    def _has_work(self, queues: Collection[str]) -> bool:
        return self.has_work


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_worker_without_work_is_never_stalled(worker: Worker) -> None:
    worker.now += 3600

    assert worker.watch.seconds_stalled() == 0


def test_stall_counts_from_when_work_began_to_wait(worker: Worker) -> None:
    worker.now += 3600
    worker.has_work = True
    first = worker.watch.seconds_stalled()
    worker.now += 30

    assert (first, worker.watch.seconds_stalled()) == (0, 30)


def test_task_that_ends_well_ends_a_stall(worker: Worker) -> None:
    worker.has_work = True
    worker.watch.seconds_stalled()
    worker.mark.note()
    worker.now = worker.mark.at + 5

    assert worker.watch.seconds_stalled() == pytest.approx(5)


def test_pause_in_the_work_begins_the_count_anew(worker: Worker) -> None:
    worker.has_work = True
    worker.watch.seconds_stalled()
    worker.now += 30
    worker.has_work = False
    worker.watch.seconds_stalled()
    worker.has_work = True

    assert worker.watch.seconds_stalled() == 0


def test_task_at_work_has_its_time_limit(worker: Worker) -> None:
    worker.has_work = worker.is_working = True
    worker.watch.seconds_stalled()
    worker.now += 930  # imports may take 900 s

    assert worker.watch.seconds_stalled() == pytest.approx(30)


def test_mark_of_a_child_is_seen_by_its_parent() -> None:
    mark = ProgressMark()
    before = mark.at
    child = os.fork()
    if child == 0:
        mark.note()
        os._exit(0)
    os.waitpid(child, 0)

    assert mark.at > before


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens with."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(5)
    yield listener
    listener.close()


def test_worker_that_gets_on_speaks_and_one_that_stalls_is_silent(
    worker: Worker, supervisor: socket.socket
) -> None:
    stop = threading.Event()
    notifier = Notifier(supervisor.getsockname())
    arguments = (worker.watch, notifier, stop, 0.2)
    thread = threading.Thread(target=speak, args=arguments, daemon=True)
    thread.start()

    assert supervisor.recv(100) == b"WATCHDOG=1"
    worker.has_work = True
    worker.watch.seconds_stalled()
    worker.now += 60
    time.sleep(0.3)
    supervisor.settimeout(0)
    while True:  # what was said before it stalled
        try:
            supervisor.recv(100)
        except BlockingIOError:
            break
    supervisor.settimeout(0.5)
    with pytest.raises(TimeoutError):
        supervisor.recv(100)
    worker.has_work = False
    assert supervisor.recv(100) == b"WATCHDOG=1"
    stop.set()
    thread.join()


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_nobody_listening_is_no_error(address: str) -> None:
    Notifier(address).ready()


def test_abstract_address_of_systemd_is_understood() -> None:
    name = f"flux-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")

        Notifier(f"@{name}").ready()

        assert listener.recv(100) == b"READY=1"
