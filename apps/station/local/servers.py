"""The two servers of an instance, started together under its process manager."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.station.local.errors import NotReadyError
from apps.station.local.ports import free_port
from apps.station.local.postgres import PostgresServer
from apps.station.local.quarters import find_quarters
from apps.station.local.valkey import ValkeyServer

if TYPE_CHECKING:
    from pathlib import Path

    from apps.station.local.secrets import Secrets
    from apps.station.local.supervision import Supervision

READY_SECONDS = 60.0
# Recovery after a crash in the middle of a bulk load replays up to `max_wal_size`.
RECOVERY_SECONDS = 600.0
_GIVE_UP_SECONDS = 8.0
_POLL_SECONDS = 0.02
_SHOWN_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Servers:
    """What an instance runs itself; None where an address from outside is used instead."""

    postgres: PostgresServer | None
    valkey: ValkeyServer | None

    def environment(self) -> dict[str, str]:
        """The servers' addresses, as Django's settings expect them."""
        found = {}
        if self.postgres is not None:
            found["DATABASE_URL"] = self.postgres.url
        if self.valkey is not None:
            found["REDIS_URL"] = self.valkey.url
        return found

    def start(self, supervision: Supervision, *, seconds: float) -> None:
        """Prepare, start and await the servers, then make the application's database.

        The process manager must have been launched; it comes up while initdb works.
        Raises NotReadyError, with the end of the server's log, after `seconds` or as soon as it is
        clear that a server ends again and again.
        """
        present = [one for one in (self.valkey, self.postgres) if one is not None]
        for server in present:
            server.prepare()
        supervision.await_control()
        supervision.add(*(server.program() for server in present))
        for server in present:
            await_ready(server, supervision, seconds=seconds)
        if self.postgres is not None:
            self.postgres.create_database()


def plan_servers(
    folder: Path,
    *,
    secrets: Secrets,
    durable: bool = True,
    with_postgres: bool = True,
    with_valkey: bool = True,
) -> Servers:
    """Choose quarters and ports for the servers of the instance in `folder`."""
    if not (with_postgres or with_valkey):
        return Servers(postgres=None, valkey=None)
    quarters = find_quarters(folder)
    postgres = PostgresServer(
        quarters=quarters,
        port=free_port(),
        password=secrets.postgres,
        superuser_password=secrets.postgres_superuser,
        durable=durable,
    )
    valkey = ValkeyServer(quarters=quarters, port=free_port(), password=secrets.valkey)
    return Servers(
        postgres=postgres if with_postgres else None, valkey=valkey if with_valkey else None
    )


def await_ready(
    server: PostgresServer | ValkeyServer, supervision: Supervision, *, seconds: float
) -> None:
    """Wait until a server takes connections; NotReadyError with the end of its log if not."""
    name, started = server.program().name, time.monotonic()
    while not server.is_ready():
        waited = time.monotonic() - started
        fails = waited > _GIVE_UP_SECONDS and supervision.is_failing(name)
        if fails or waited > seconds:
            raise NotReadyError(
                f"{name} was not ready after {waited:.0f} s; the end of its log:\n"
                f"{supervision.log_tail(name, _SHOWN_CHARACTERS)}"
            )
        time.sleep(_POLL_SECONDS)
