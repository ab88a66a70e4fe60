"""PostgreSQL from its wheel: a data folder, a foreground command, and whether it is ready.

The server listens on 127.0.0.1 only, asks everybody for a password (scram-sha-256), and sorts by
code point with PostgreSQL's own C.UTF-8, so that an order never depends on the operating system.
Two roles: `postgres`, the superuser, and `flux`, which owns the database and may create others,
as tests do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg import sql

from apps.station.local.errors import StationError
from apps.station.local.ports import LOOPBACK
from apps.station.local.programs import SERVER_TIER, Program, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from apps.station.local.quarters import Quarters

ROLE = "flux"
DATABASE = "flux"
_SUPERUSER = "postgres"
_STOP_SECONDS = 120  # a checkpoint of everything since the last one, on a slow disk

# Sized for the whole station on a machine of 2 cores and 4 GB. The log tells no values: failing
# statements and the DETAIL of errors hold addresses.
_SETTINGS = {
    "shared_buffers": "384MB",
    "effective_cache_size": "1500MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "200",
    "max_parallel_workers_per_gather": "1",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",
    "shared_preload_libraries": "pg_stat_statements",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}

# For suites whose data nobody needs: a crash of the machine, not of the server, may ruin the data;
# the last transactions before a crash of the server may be missing. Never on unless asked for.
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One PostgreSQL server; `durable` keeps every promise a commit makes, at the price of time."""

    quarters: Quarters
    port: int
    password: str = field(repr=False)
    superuser_password: str = field(repr=False)
    durable: bool = True

    @property
    def data(self) -> Path:
        return self.quarters.data / "postgres"

    @property
    def url(self) -> str:
        """For the application: role and database `flux`."""
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def superuser_url(self) -> str:
        return (
            f"postgresql://{_SUPERUSER}:{self.superuser_password}@{LOOPBACK}:{self.port}/postgres"
        )

    def prepare(self) -> None:
        """Make the data folder where there is none, and write the configuration.

        Raises StationError where a folder of another major version lies there, or its server
        still runs.
        """
        if (self.data / "PG_VERSION").exists():
            self._check_version()
            self._clear_stale_pid_file()
        else:
            self._initialise()
        self._write_settings()

    def program(self) -> Program:
        # INT is the "fast" stop: clients are disconnected, nothing is lost. QUIT drops everything
        # on the floor but cleans up shared memory.
        return Program(
            name="postgres",
            command=(str(self.quarters.postgres_binaries / "postgres"), "-D", str(self.data)),
            stop_signal="INT",
            discard_signal="QUIT",
            stop_seconds=_STOP_SECONDS,
            tier=SERVER_TIER,
            folder=self.data,
            user=self.quarters.user,
        )

    def major_version(self) -> str:
        """The major version of the binaries, such as "18"."""
        # postgres (PostgreSQL) 18.6
        return self._run("postgres", "--version").rsplit(maxsplit=1)[-1].split(".")[0]

    def _run(self, binary: str, *arguments: str) -> str:
        user = self.quarters.user
        done = subprocess.run(
            [str(self.quarters.postgres_binaries / binary), *arguments],
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            cwd="/",
            # initdb reads PG* variables; the locale is fixed by its own options.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StationError(f"{binary} failed ({done.returncode}):\n{done.stderr.strip()}")
        return done.stdout

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = self.major_version()
        if found != ours:
            raise StationError(
                f"{self.data} was made by PostgreSQL {found}, and the installed one is {ours}; "
                f"dump the data with the older version and restore it (see docs/runbook.md), or "
                f"move the folder away to start empty"
            )

    def _initialise(self) -> None:
        """Run initdb beside the final folder: a half-made one must never be taken for data."""
        building = self.data.with_name("postgres.building")
        shutil.rmtree(building, ignore_errors=True)
        password_file = self.data.with_name("initial-password")
        write_private(password_file, self.superuser_password)
        try:
            if (user := self.quarters.user) is not None:
                os.chown(password_file, user.uid, user.gid)
            self._run(
                "initdb",
                f"--pgdata={building}",
                f"--username={_SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                *([] if self.durable else ["--no-sync"]),
            )
        finally:
            password_file.unlink()
        building.rename(self.data)

    def _write_settings(self) -> None:
        settings = {**_SETTINGS, **({} if self.durable else _NOT_DURABLE), "port": str(self.port)}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        target = self.data / "postgresql.conf"
        target.write_text(
            "# Written anew at every start; lasting changes belong into ALTER SYSTEM.\n"
            + "".join(lines),
            encoding="utf-8",
        )
        target.chmod(0o644)

    def _clear_stale_pid_file(self) -> None:
        """Remove the lock of a server that is gone.

        PostgreSQL itself only asks whether some process has that id, and after a reboot another
        one may: it would refuse to start for good.
        """
        pid_file = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
            if self._is_our_server(pid):
                raise StationError(
                    f"a PostgreSQL server already runs on {self.data} (process {pid}); end it with "
                    f"kill -INT {pid}"
                )
            pid_file.unlink()

    def _is_our_server(self, pid: int) -> bool:
        try:
            return str(self.data) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        try:
            with psycopg.connect(self.superuser_url, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def create_database(self) -> None:
        """Create role and database of the application where they are missing."""
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            known = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            verb = "ALTER" if connection.execute(known, [ROLE]).fetchone() else "CREATE"
            connection.execute(
                sql.SQL(
                    "{} ROLE {} LOGIN CREATEDB PASSWORD {} IN ROLE pg_read_all_stats"
                    if verb == "CREATE"
                    else "{} ROLE {} LOGIN CREATEDB PASSWORD {}"
                ).format(sql.SQL(verb), sql.Identifier(ROLE), sql.Literal(self.password))
            )
            present = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not connection.execute(present, [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(ROLE)
                    )
                )
