"""What a program under the process manager is, and how it is handed over to be started."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from apps.station.local.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from apps.station.local.quarters import SystemUser

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_SIGNALS = frozenset({"TERM", "INT", "QUIT", "KILL", "HUP"})

# Every process of an instance carries these two variables: that is how a later start tells its
# leftovers from everybody else's processes.
FOLDER_MARK = "FLUX_STATION_FOLDER"
DISCARD_MARK = "FLUX_STATION_DISCARD_SIGNAL"

SERVER_TIER = 0
PROVIDER_TIER = 1
APPLICATION_TIER = 2


@dataclass(frozen=True, slots=True)
class Program:
    """One program for the process manager, which starts it again whenever it ends.

    `environment` is added to the instance's own. `stop_signal` ends it politely within
    `stop_seconds`, after which its process group is killed; it goes to the first process only, as
    a prefork worker would lose its tasks if its children were told as well. `discard_signal` ends
    it when what it holds is deleted anyway. Higher tiers are ended before lower ones, so that
    nobody works without servers. Raises StationError for an unusable value.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    stop_seconds: int = 10
    stop_signal: str = "TERM"
    discard_signal: str = "TERM"
    replicas: int = 1
    tier: int = APPLICATION_TIER
    folder: Path | None = None
    user: SystemUser | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StationError(
                f"program name {self.name!r}: expected up to 41 of a-z, 0-9 and -, a letter first"
            )
        if not self.command:
            raise StationError(f"program {self.name!r}: its command is empty")
        if self.replicas < 1:
            raise StationError(f"program {self.name!r}: replicas is {self.replicas}, at least 1")
        for given in (self.stop_signal, self.discard_signal):
            if given not in _SIGNALS:
                raise StationError(
                    f"program {self.name!r}: signal {given!r}; known are {sorted(_SIGNALS)}"
                )


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner can read, at no moment; replaces it as a whole."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    beside.replace(path)


def write_spec(  # noqa: PLR0913 - the five facts a leash needs, each named by its caller
    path: Path,
    *,
    program: Program,
    environment: Mapping[str, str],
    mark: Path,
    death_signal: str | None,
    parent: int | None,
) -> None:
    """Write what `leash` reads; see there for the keys."""
    marks = {FOLDER_MARK: str(mark), DISCARD_MARK: program.discard_signal}
    spec = {
        "command": program.command,
        "environment": {**environment, **program.environment, **marks},
        "folder": str(program.folder or mark),
        "death_signal": death_signal,
        "user": [program.user.uid, program.user.gid] if program.user else None,
        "parent": parent,
    }
    write_private(path, json.dumps(spec))


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write a file that a shell can read (`. var/up/environment`), for whoever wants to join in."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
    write_private(path, "".join(lines))


def read_environment(path: Path) -> dict[str, str]:
    """Read what `write_environment` wrote."""
    words = shlex.split(path.read_text(encoding="utf-8"))
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs}
