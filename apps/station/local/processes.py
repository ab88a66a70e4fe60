"""Find and end the processes of an instance, also those of a start that died without a word."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import psutil

from apps.station.local.programs import DISCARD_MARK, FOLDER_MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_KILL_SECONDS = 10
_POLL_SECONDS = 0.01


def marks_of(process: psutil.Process) -> Mapping[str, str]:
    """The environment of a process; empty where it is gone or not ours to read."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def marked(folder: Path) -> list[psutil.Process]:
    """Every process that was started for the instance in `folder`, and all they started.

    A process belongs to it only by the mark in its environment, never by its id alone: ids are
    given out again. PostgreSQL overwrites the mark in its children, which are found as such.
    """
    ours = [one for one in psutil.process_iter() if marks_of(one).get(FOLDER_MARK) == str(folder)]
    found = {one.pid: one for one in ours if one.pid != os.getpid()}
    for leader in list(found.values()):
        found.update({child.pid: child for child in children_of(leader)})
    found.pop(os.getpid(), None)
    return list(found.values())


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """All descendants of a process; none where it is gone."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def group_of(leader: int) -> list[int]:
    """The ids of a program's processes: its group, and children that left it.

    PostgreSQL's children make a session each, prefork workers stay in the group; both are meant.
    """
    members = set()
    for one in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getpgid(one.pid) == leader:
                members.add(one.pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        members.update(child.pid for child in children_of(psutil.Process(leader)))
    return sorted(members)


def kill(pids: Iterable[int]) -> None:
    """Kill processes by id with -9; those already gone do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still does anything; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_end(processes: Sequence[psutil.Process], *, seconds: float) -> bool:
    """Wait until all of `processes` ended; False where some live on after `seconds`.

    Not psutil's own wait: in a container whose first process reaps nobody, it would wait for
    processes that ended long ago.
    """
    deadline = time.monotonic() + seconds
    while any(is_alive(one) for one in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_leader(process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == process.pid
    except OSError:
        return False


def _ask_to_end(process: psutil.Process) -> None:
    name = marks_of(process).get(DISCARD_MARK, "TERM")
    with contextlib.suppress(psutil.Error):
        process.send_signal(signal.Signals[f"SIG{name}"])


def end_marked(folder: Path, *, seconds: float, first: int | None = None) -> int:
    """End every process of the instance in `folder`, the process manager before the rest.

    `first` is the id of the process manager, which would start again what ends; it is killed at
    once. Leaders of programs get `seconds` to end by themselves and end their children; what then
    remains is killed. Returns how many processes there were.
    """
    processes = marked(folder)
    if first is not None:
        kill(one.pid for one in processes if one.pid == first)
    leaders = list(filter(_is_leader, processes))
    for one in leaders:
        _ask_to_end(one)
    await_end(leaders, seconds=seconds)
    # Again from the start: the living may have had children in the meantime.
    remaining = {one.pid: one for one in [*filter(is_alive, processes), *marked(folder)]}
    for one in remaining.values():
        with contextlib.suppress(psutil.Error):
            one.kill()  # asks first whether its id was given to another process meanwhile
    await_end(list(remaining.values()), seconds=_KILL_SECONDS)
    return len(processes)
