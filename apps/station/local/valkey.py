"""Valkey from its wheel: a folder, a foreground command, and whether it is ready.

Listens on 127.0.0.1 with a password, writes every change to its append-only file (off in Valkey's
own defaults), and refuses writes when memory is full instead of forgetting queued messages.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import redis

from apps.station.local.ports import LOOPBACK
from apps.station.local.programs import SERVER_TIER, Program, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from apps.station.local.quarters import Quarters

_STOP_SECONDS = 30

# `dir ./`: it runs in its own folder, and no path has to survive the quoting of this format.
# The command line would show the password to everybody; a file does not.
_CONFIGURATION = """\
# Written anew at every start.
bind {host}
port {port}
requirepass {password}
daemonize no
logfile ""
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
tcp-keepalive 60
tcp-backlog 128
databases 4
"""


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """One Valkey server."""

    quarters: Quarters
    port: int
    password: str = field(repr=False)

    @property
    def folder(self) -> Path:
        return self.quarters.data / "valkey"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Make the folder and write the configuration."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        configuration = self.folder / "valkey.conf"
        write_private(
            configuration,
            _CONFIGURATION.format(host=LOOPBACK, port=self.port, password=self.password),
        )
        if (user := self.quarters.user) is not None:
            os.chown(self.folder, user.uid, user.gid)
            os.chown(configuration, user.uid, user.gid)

    def program(self) -> Program:
        return Program(
            name="valkey",
            command=(str(self.quarters.valkey_server), "valkey.conf"),
            discard_signal="KILL",
            stop_seconds=_STOP_SECONDS,
            tier=SERVER_TIER,
            folder=self.folder,
            user=self.quarters.user,
        )

    def client(self) -> redis.Redis:
        """A client of the server; the caller closes it."""
        return redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)

    def is_ready(self) -> bool:
        """Whether the server answers, its data loaded."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def flush_all(self) -> None:
        """Empty the server: every queued message, every budget of a limiter is gone."""
        with self.client() as client:
            client.flushall()
