"""Starting again what lives but gets nowhere: programs that fall silent are killed.

The other side of systemd's readiness protocol, for stations under our own process manager. A
program that has once said `WATCHDOG=1` must go on saying it; who says it is known from the kernel.
One that falls silent for longer than the patience is killed with its group, and the process
manager starts it again. Programs that never speak are left alone.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from apps.station.local import processes

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 60.0
_SIGN_OF_LIFE = b"WATCHDOG=1"
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_LONGEST_MESSAGE = 4096
_LOOK_SECONDS = 1.0


@dataclass
class Watch:
    """Who has spoken when; moments are monotonic. A process is its id and when it was created."""

    patience_seconds: float
    _heard: dict[int, tuple[psutil.Process, float]] = field(default_factory=dict)

    def hear(self, pid: int, message: bytes, *, now: float) -> None:
        """A message of the process `pid`; only signs of life count."""
        if _SIGN_OF_LIFE not in message.split(b"\n"):
            return
        known = self._heard.get(pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            process = known[0] if known and known[0].is_running() else psutil.Process(pid)
            self._heard[pid] = (process, now)

    def silent(self, *, now: float) -> list[psutil.Process]:
        """Those that live and have not spoken for longer than the patience; told once each."""
        late = [
            process
            for process, heard_at in self._heard.values()
            if now - heard_at > self.patience_seconds
        ]
        for process in late:
            del self._heard[process.pid]
        return [process for process in late if process.is_running()]


def listen(path: Path) -> socket.socket:
    """The socket to which programs talk; the kernel adds who they are (Linux alone)."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    listener.settimeout(_LOOK_SECONDS)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


def watch(path: Path, *, patience_seconds: float) -> None:
    """Listen at `path` and kill who falls silent; ends with the process."""
    looked_at = time.monotonic()
    watching = Watch(patience_seconds)
    with listen(path) as listener:
        while True:
            with contextlib.suppress(TimeoutError):
                pid, message = _receive(listener)
                watching.hear(pid, message, now=time.monotonic())
            now = time.monotonic()
            if now - looked_at > patience_seconds:
                # We were stopped ourselves, or the machine slept: nobody else is to blame.
                watching = Watch(patience_seconds)
            looked_at = now
            for process in watching.silent(now=now):
                _kill(process.pid)


def _receive(listener: socket.socket) -> tuple[int, bytes]:
    message, ancillary, _, _ = listener.recvmsg(
        _LONGEST_MESSAGE, socket.CMSG_SPACE(_CREDENTIALS.size)
    )
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0], message
    return 0, b""


def _kill(pid: int) -> None:
    """With all it started: a worker's children would go on without their first process."""
    group = processes.group_of(pid)
    print(f"process {pid} fell silent: killing it and {len(group) - 1} others", file=sys.stderr)
    processes.kill([pid, *group])
