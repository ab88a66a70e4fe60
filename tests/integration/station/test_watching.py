"""Programs that live but have fallen silent are killed, and the process manager starts them."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from apps.station.local.controlling import notify_socket
from apps.station.local.environment import inherited, with_our_python
from apps.station.local.processes import is_alive
from apps.station.local.programs import Program
from apps.station.local.supervision import Supervision
from apps.station.local.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 2.0
SPEAKER = """
import os, socket, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    try:
        speaker.sendto(b"WATCHDOG=1", os.environ["NOTIFY_SOCKET"])
    except OSError:
        pass
    time.sleep(0.2)
"""


@pytest.fixture
def supervision(tmp_path: Path) -> Iterator[Supervision]:
    environment = {**with_our_python(inherited()), "NOTIFY_SOCKET": str(notify_socket(tmp_path))}
    manager = Supervision(tmp_path, environment=environment)
    manager.launch(detached=False)
    try:
        manager.await_control()
        manager.add_watchdog(patience_seconds=PATIENCE)
        yield manager
    finally:
        manager.end()


def python(name: str, code: str) -> Program:
    return Program(name=name, command=(sys.executable, "-c", code))


def pid_of(supervision: Supervision, program: str) -> int:
    return next(one.pid for one in supervision.states() if one.program == program)


def await_that(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_program_that_is_stopped_is_killed_and_started_again(supervision: Supervision) -> None:
    supervision.add(python("speaker", SPEAKER), python("mute", "import time; time.sleep(60)"))
    await_that(notify_socket(supervision.folder).exists)
    time.sleep(PATIENCE + 1)
    speaker, mute = pid_of(supervision, "speaker"), pid_of(supervision, "mute")

    stopped = psutil.Process(speaker)

    stopped.suspend()

    await_that(lambda: pid_of(supervision, "speaker") not in (0, speaker))
    assert not is_alive(stopped)
    assert pid_of(supervision, "mute") == mute  # it never spoke: nobody waits for it


def test_only_signs_of_life_put_a_process_under_watch() -> None:
    watch = Watch(patience_seconds=10)

    watch.hear(os.getpid(), b"READY=1\nSTATUS=well", now=0)
    nobody = watch.silent(now=100)
    watch.hear(os.getpid(), b"READY=1\nWATCHDOG=1", now=100)

    assert nobody == []
    assert watch.silent(now=110) == []
    assert [one.pid for one in watch.silent(now=110.1)] == [os.getpid()]
    assert watch.silent(now=200) == []  # told once


def test_process_that_is_gone_is_nobodys_business() -> None:
    watch = Watch(patience_seconds=10)

    watch.hear(2**22 + 1, b"WATCHDOG=1", now=0)

    assert watch.silent(now=100) == []
