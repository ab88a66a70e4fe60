"""The process manager: supervisord, which starts again whatever ends.

Its configuration is written anew whenever a program is added. Paths in it are relative to the
instance's folder, where it runs, and the way to the leash travels in its environment: so no
space, percent sign, semicolon or quote in a path can be misread.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.station.local import processes
from apps.station.local.controlling import ask, control_socket, make_room, notify_socket
from apps.station.local.errors import NotReadyError, StationError
from apps.station.local.programs import SERVER_TIER, Program, write_private, write_spec
from apps.station.local.watching import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WATCHDOG = "watchdog"
_LEASH = Path(__file__).with_name("leash.py")
_PROJECT = Path(__file__).resolve().parents[3]
_RUNNING = 1  # supervisor.states.SupervisorStates
_START_SECONDS = 15
_END_SECONDS = 5
_POLL_SECONDS = 0.02
_SETTLED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})

_CONFIGURATION = """\
[supervisord]
nodaemon = true
logfile = logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = run/supervisord.pid
childlogdir = logs
minfds = 1024
{user}
[unix_http_server]
file = %(ENV_FLUX_CONTROL_SOCKET)s
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

# `startretries`: a program is never given up; the wait between tries grows by a second each.
_PROGRAM = """
[program:{program.name}]
command = %(ENV_FLUX_LEASH)s run/{program.name}.json
process_name = {process_name}
numprocs = {program.replicas}
priority = {program.tier}
autostart = true
autorestart = true
startsecs = 1
startretries = 1000000
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = logs/{log_name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One process of a program as the process manager sees it; `pid` is 0 where none lives."""

    program: str
    process: str
    state: str
    pid: int
    uptime_seconds: int


class Supervision:
    """The process manager of the instance in `folder`, an absolute path.

    `environment` is what every program starts from. Call `launch` from the main thread: the kernel
    takes the end of the starting thread for the death of its process.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._programs: dict[str, Program] = {}
        self._socket = control_socket(folder)

    def _ask(self, method: str, *arguments: str | bool) -> Any:
        return ask(self._socket, method, *arguments)

    def launch(self, *, detached: bool) -> None:
        """Start the process manager; one that is not `detached` ends when we do, -9 included.

        Returns at once, see `await_control`.
        """
        for part in (self.folder / "run", self.folder / "logs"):
            part.mkdir(exist_ok=True)
            part.chmod(0o700)
        make_room(self._socket)
        self._write_configuration()
        program = Program(
            name="supervisord",
            command=(sys.executable, "-m", "supervisor.supervisord", "-c", "run/supervisord.conf"),
            environment={
                "FLUX_CONTROL_SOCKET": str(self._socket),
                "FLUX_LEASH": shlex.join([sys.executable, "-I", "-S", str(_LEASH)]),
            },
            folder=self.folder,
        )
        spec = self.folder / "run" / "supervisord.json"
        write_spec(
            spec,
            program=program,
            environment=self.environment,
            mark=self.folder,
            death_signal=None if detached else "TERM",
            parent=None if detached else os.getpid(),
        )
        with (self.folder / "logs" / "supervisord.out").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), str(spec)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def await_control(self) -> None:
        """Wait until the process manager answers; NotReadyError with its output if it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.is_running():
                return
            if self._process is not None and self._process.poll() is not None:
                break
            time.sleep(_POLL_SECONDS)
        tail = (self.folder / "logs" / "supervisord.out").read_text(errors="replace")[-2000:]
        raise NotReadyError(f"the process manager did not start:\n{tail}")

    def is_running(self) -> bool:
        """Whether the process manager answers."""
        try:
            return bool(self._ask("getState")["statecode"] == _RUNNING)
        except StationError:
            return False

    def attach(self) -> bool:
        """Take over a process manager that another process started; False where none answers."""
        if not self.is_running():
            return False
        self.pid = int(self._ask("getPID"))
        return True

    def _write_configuration(self) -> None:
        parts = [_CONFIGURATION.format(user="user = root\n" if os.geteuid() == 0 else "")]
        for program in self._programs.values():
            process_name = log_name = program.name
            if program.replicas > 1:
                process_name = log_name = f"{program.name}-%(process_num)d"
            parts.append(
                _PROGRAM.format(program=program, process_name=process_name, log_name=log_name)
            )
        write_private(self.folder / "run" / "supervisord.conf", "".join(parts))

    def add(self, *programs: Program) -> None:
        """Start programs, and from then on start them again whenever they end.

        Raises StationError for a name that is taken.
        """
        for program in programs:
            if program.name in self._programs:
                raise StationError(f"program {program.name!r} was started already")
            write_spec(
                self.folder / "run" / f"{program.name}.json",
                program=program,
                environment=self.environment,
                mark=self.folder,
                death_signal=program.stop_signal,
                parent=self.pid,
            )
            self._programs[program.name] = program
        self._write_configuration()
        self._ask("reloadConfig")
        for program in programs:
            self._ask("addProcessGroup", program.name)

    def add_watchdog(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Start the program that kills who falls silent; see `watching`.

        Programs find it by NOTIFY_SOCKET, which must be in their environment.
        """
        command = (sys.executable, "-m", "apps.station.local", "watch")
        options = ("--socket", str(notify_socket(self.folder)), "--patience", str(patience_seconds))
        self.add(
            Program(name=WATCHDOG, command=(*command, *options), folder=_PROJECT, tier=SERVER_TIER)
        )

    def states(self) -> list[ProgramState]:
        """Every process of every program, servers first. Raises StationError if nobody answers."""
        listed = self._ask("getAllProcessInfo")
        return [
            ProgramState(
                program=one["group"],
                process=one["name"],
                state=one["statename"],
                pid=one["pid"],
                uptime_seconds=one["now"] - one["start"] if one["pid"] else 0,
            )
            for one in listed
        ]

    def pids(self, program: str) -> list[int]:
        """Every process of a program: the first of each replica and all its children."""
        leaders = [one.pid for one in self.states() if one.program == program and one.pid]
        return sorted({pid for leader in leaders for pid in processes.group_of(leader)})

    def stop(self, *programs: str) -> None:
        """Stop programs politely, all at the same time, and wait until they ended."""
        for name in programs:
            self._ask("stopProcessGroup", name, False)
        self._await_states(programs, _SETTLED)

    def start_again(self, *programs: str) -> None:
        """Start programs that were stopped; returns once their processes exist."""
        for name in programs:
            self._ask("startProcessGroup", name, False)
        self._await_states(programs, frozenset({"STARTING", "RUNNING"}))

    def restart(self, *programs: str) -> None:
        """Stop programs politely, then start them."""
        self.stop(*programs)
        self.start_again(*programs)

    def _await_states(self, programs: Sequence[str], wanted: frozenset[str]) -> None:
        # Each question also makes supervisord look at its children, which it does once a second.
        while any(one.program in programs and one.state not in wanted for one in self.states()):
            time.sleep(_POLL_SECONDS)

    def stop_all(self, *, above: int = -1) -> None:
        """Stop all programs of tiers higher than `above`, tier by tier from the highest."""
        tiers: dict[int, list[str]] = {}
        for one in self._ask("getAllConfigInfo"):
            if one["inuse"] and one["group_prio"] > above:
                tiers.setdefault(one["group_prio"], []).append(one["group"])
        for tier in sorted(tiers, reverse=True):
            self.stop(*dict.fromkeys(tiers[tier]))

    def is_failing(self, program: str) -> bool:
        """Whether a program ended before it had run for a second, and waits for its next try."""
        return any(one.program == program and one.state == "BACKOFF" for one in self.states())

    def log_tail(self, program: str, characters: int) -> str:
        """The end of a program's log."""
        log = self.folder / "logs" / f"{program}.log"
        return log.read_text(errors="replace")[-characters:] if log.is_file() else "(no log)"

    def end(self, *, politely_above: int = -1) -> None:
        """End everything, the process manager too.

        Programs of tiers higher than `politely_above` are stopped politely, tier by tier; the
        others get their discard signal. Nothing of the instance is left when this returns.
        """
        with contextlib.suppress(StationError):
            self.stop_all(above=politely_above)
        processes.end_marked(self.folder, seconds=_END_SECONDS, first=self.pid)
        if self._process is not None:
            self._process.wait()
        self._socket.unlink(missing_ok=True)
        if not self._socket.is_relative_to(self.folder):
            with contextlib.suppress(OSError):
                self._socket.parent.rmdir()
