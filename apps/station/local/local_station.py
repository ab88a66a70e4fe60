"""A throwaway station: its own servers in an empty folder, gone when the block is left.

    with LocalStation("faults", environment={"FLUX_BATCH_LEASE_SECONDS": "5"}) as station:
        station.run("python", "manage.py", "migrate")
        station.start(*procfile.workers())
        station.kill_group("worker-batch-email")
        station.postgres.crash()

It never touches servers named by DATABASE_URL or REDIS_URL: those variables, and all others that
lead to accounts of somebody else, are removed from what its programs see.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, NoReturn, Self

from apps.station.local import processes
from apps.station.local.controlling import notify_socket
from apps.station.local.environment import (
    django_environment,
    inherited,
    with_our_python,
    without_foreign,
)
from apps.station.local.errors import StationError
from apps.station.local.instance import PROJECT, Instance, throwaway_instance
from apps.station.local.ports import LOOPBACK, free_port
from apps.station.local.programs import SERVER_TIER, write_environment
from apps.station.local.secrets import Secrets
from apps.station.local.servers import READY_SECONDS, await_ready, plan_servers
from apps.station.local.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType, TracebackType

    from apps.station.local.postgres import PostgresServer
    from apps.station.local.programs import Program
    from apps.station.local.supervision import ProgramState
    from apps.station.local.valkey import ValkeyServer


def _exit_as_signalled(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


class RunningServer:
    """A server of a station, to be maltreated; it is started again whatever happens to it."""

    def __init__(self, name: str, supervision: Supervision) -> None:
        self._name, self._supervision = name, supervision

    def crash(self) -> int:
        """Kill the server and all its children with -9; returns how many processes that were.

        It comes back by itself and recovers; `wait_ready` waits for it.
        """
        pids = self._supervision.pids(self._name)
        processes.kill(pids)
        return len(pids)

    def stop(self) -> None:
        """Stop the server politely; it stays away until `start`."""
        self._supervision.stop(self._name)

    def start(self) -> None:
        """Start a stopped server; returns when it answers."""
        self._supervision.start_again(self._name)
        self.wait_ready()

    def restart(self) -> None:
        """Stop the server politely and start it; returns when it answers."""
        self.stop()
        self.start()

    def wait_ready(self) -> None:
        """Wait until the server answers; NotReadyError after a minute."""
        raise NotImplementedError


class RunningPostgres(RunningServer):
    """PostgreSQL; `server` has its addresses."""

    def __init__(self, server: PostgresServer, supervision: Supervision) -> None:
        super().__init__("postgres", supervision)
        self.server = server

    def wait_ready(self) -> None:
        await_ready(self.server, self._supervision, seconds=READY_SECONDS)


class RunningValkey(RunningServer):
    """Valkey; `server` has its address."""

    def __init__(self, server: ValkeyServer, supervision: Supervision) -> None:
        super().__init__("valkey", supervision)
        self.server = server

    def wait_ready(self) -> None:
        await_ready(self.server, self._supervision, seconds=READY_SECONDS)

    def flush_all(self) -> None:
        """Empty it: every queued message and every budget of a limiter is gone."""
        self.server.flush_all()


class LocalStation:
    """Servers, process manager and environment of one throwaway run; a context manager.

    `name` is one of demo, test, faults, bench. `environment` is added last and wins. Without
    `durable`, commits are not flushed to disk (see `postgres`). Enter it in the main thread.
    Until it was entered, it has no `folder`, `supervision`, `postgres` and `valkey`.
    """

    folder: Path
    supervision: Supervision
    postgres: RunningPostgres
    valkey: RunningValkey

    def __init__(
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        durable: bool = True,
        with_valkey: bool = True,
    ) -> None:
        self._name, self._durable, self._with_valkey = name, durable, with_valkey
        self._additions = dict(environment or {})
        self._instance: Instance | None = None
        self._former: dict[signal.Signals, signal._HANDLER] = {}
        self.environment: dict[str, str] = {}
        self.secrets = Secrets()
        self.web_port = free_port()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise StationError("enter a station in the main thread: it lives as long as that one")
        self._end_on_signals()
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _end_on_signals(self) -> None:
        """A polite end from outside leaves through the block's end, like Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                self._former[number] = signal.signal(number, _exit_as_signalled)

    def _set_up(self) -> None:
        self._instance = throwaway_instance(self._name)
        self.folder = self._instance.folder
        servers = plan_servers(
            self.folder,
            secrets=self.secrets,
            durable=self._durable,
            with_valkey=self._with_valkey,
        )
        self.environment = {
            **with_our_python(without_foreign(inherited())),
            **django_environment(
                kind=self._name, secrets=self.secrets, folder=self.folder, web_port=self.web_port
            ),
            # Django's settings need some address; nobody listens at this one.
            "REDIS_URL": f"redis://{LOOPBACK}:1/0",
            **servers.environment(),
            "NOTIFY_SOCKET": str(notify_socket(self.folder)),
            **self._additions,
        }
        write_environment(self.folder / "environment", self.environment)
        self.supervision = Supervision(self.folder, environment=self.environment)
        self.supervision.launch(detached=False)
        servers.start(self.supervision, seconds=READY_SECONDS)
        if servers.postgres is not None:
            self.postgres = RunningPostgres(servers.postgres, self.supervision)
        if servers.valkey is not None:
            self.valkey = RunningValkey(servers.valkey, self.supervision)

    def stop(self) -> None:
        """End programs politely, then the servers at once, and delete their data.

        Called twice it does no harm.
        """
        if self._instance is None:
            return
        supervision = self.__dict__.get("supervision")
        if supervision is not None:
            supervision.end(politely_above=SERVER_TIER)
        self._instance.discard_data()
        self._instance.release()
        self._instance = None
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def start(self, *programs: Program) -> None:
        """Start programs under the process manager; it starts again what ends."""
        self.supervision.add(*programs)

    def run(self, *command: str, **environment: str) -> None:
        """Run a command in the project with the station's environment, output to the terminal.

        Raises subprocess.CalledProcessError where it fails.
        """
        subprocess.run(command, cwd=PROJECT, env={**self.environment, **environment}, check=True)

    def pids(self, program: str) -> list[int]:
        """Every process of a program, its children included."""
        return self.supervision.pids(program)

    def kill_group(self, program: str) -> int:
        """Kill every process of a program with -9; it is started again.

        Returns how many processes that were: 0 where it was between two starts.
        """
        pids = self.pids(program)
        processes.kill(pids)
        return len(pids)

    def states(self) -> list[ProgramState]:
        """What runs, since when."""
        return self.supervision.states()
