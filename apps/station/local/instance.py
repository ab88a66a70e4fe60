"""An instance: a named folder below `var/`, which one start at a time may use.

    var/<name>/data/       PostgreSQL's and Valkey's folders (see `quarters` for the other place)
    var/<name>/logs/       a log per program, rotated
    var/<name>/run/        the process manager's files and the programs' environments (0600)
    var/<name>/secrets.json                               (0600)
    var/locks/<name>.lock

`demo`, `test`, `faults` and `bench` are throwaway: each run starts with an empty folder and its
own servers, and a second run at the same time gets `<name>-2` and so on. `up` lasts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from apps.station.local import processes
from apps.station.local.errors import AlreadyRunningError, ForeignFolderError, StationError
from apps.station.local.quarters import owner_of, sheltered_data

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[3]
VAR = PROJECT / "var"
THROWAWAY = ("demo", "test", "faults", "bench")
LASTING = "up"
_MOST_AT_ONCE = 20
_LEFTOVER_SECONDS = 5


@dataclass(slots=True)
class Instance:
    """A folder that is ours until `release`."""

    kind: str
    folder: Path
    _lock: int = field(repr=False)

    def release(self) -> None:
        """Let the next start have the folder; calling it twice does no harm."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def discard_data(self) -> None:
        """Delete the servers' data; logs stay for whoever wants to know what happened."""
        sheltered = sheltered_data(self.folder)
        for data in (self.folder / "data", sheltered):
            _remove(data)
        with contextlib.suppress(OSError):  # another instance of this project may have its own
            sheltered.parent.rmdir()

    def end_leftovers(self) -> int:
        """End what a start that was killed left running; returns how many processes it was."""
        pid_file = self.folder / "run" / "supervisord.pid"
        digits = pid_file.read_text(encoding="ascii").strip() if pid_file.is_file() else ""
        return processes.end_marked(
            self.folder,
            seconds=_LEFTOVER_SECONDS,
            first=int(digits) if digits.isdigit() else None,
        )


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except PermissionError as error:
        raise ForeignFolderError(
            f"{folder} cannot be removed: part of it belongs to another system user "
            f"({owner_of(folder).name!r} owns the folder), probably from a start as root; "
            f"remove it with sudo rm -r"
        ) from error


def _try_lock(var: Path, folder_name: str) -> int | None:
    """Lock an instance's name for as long as the returned descriptor is open; None if taken."""
    locks = var / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(locks / f"{folder_name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise ForeignFolderError(
            f"{locks} belongs to another system user ({owner_of(locks).name!r}); use that user, or "
            f"remove it with sudo rm -r"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _free_instances(var: Path, name: str) -> Iterator[Instance]:
    for number in range(1, _MOST_AT_ONCE + 1):
        folder_name = name if number == 1 else f"{name}-{number}"
        if (lock := _try_lock(var, folder_name)) is not None:
            yield Instance(kind=name, folder=var / folder_name, _lock=lock)


def _make_empty(instance: Instance) -> None:
    instance.end_leftovers()
    instance.discard_data()
    _remove(instance.folder)
    _make_folder(instance.folder)


def _make_folder(folder: Path) -> None:
    # Others may walk through, to data that is theirs; what is secret in it has its own mode.
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


def throwaway_instance(name: str, *, var: Path = VAR) -> Instance:
    """An empty folder for one run of the demo, tests, faults or a benchmark.

    Ends and removes what an earlier run of that name left behind when it was killed.
    Raises StationError for another name, or when twenty runs are under way.
    """
    if name not in THROWAWAY:
        raise StationError(f"instance {name!r} is not one of {', '.join(THROWAWAY)}")
    for instance in _free_instances(var, name):
        try:
            _make_empty(instance)
        except BaseException:
            instance.release()
            raise
        return instance
    raise StationError(f"{_MOST_AT_ONCE} runs of {name!r} are under way already")


def lasting_instance(*, var: Path = VAR) -> Instance:
    """The folder of the lasting station, locked while it is started or ended.

    Raises AlreadyRunningError while another process does so.
    """
    lock = _try_lock(var, LASTING)
    if lock is None:
        raise AlreadyRunningError("another `up` or `down` of this project is under way")
    instance = Instance(kind=LASTING, folder=var / LASTING, _lock=lock)
    _make_folder(instance.folder)
    return instance
