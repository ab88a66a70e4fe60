"""Runs an application on a port until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import uvloop

from apps.sandbox.wire import Connection, Exchange

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen, and how to tell others. Port 0 picks a free one."""

    name: str
    host: str
    port: int
    port_file: Path | None
    until_stdin_closes: bool
    """Stop when standard input ends: a starter that is killed takes its server with it."""


class Service(Protocol):
    def __call__(self, exchange: Exchange) -> None: ...

    def start(self) -> None:
        """Called inside the running loop, before the first request."""

    async def stop(self) -> None:
        """Called after the last request; everything must be on disk when it returns."""


def run(service: Service, listener: Listener) -> None:
    """Serve until SIGTERM, SIGINT or the end of standard input."""
    # Messages live long and hold no cycles: collections would only walk over them again and again.
    gc.set_threshold(100_000, 20, 100)
    uvloop.run(_serve(service, listener))


async def _serve(service: Service, listener: Listener) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if listener.until_stdin_closes:
        _watch_stdin(loop, stopped)
    connections: set[Connection] = set()
    service.start()
    server = await loop.create_server(
        lambda: Connection(service, connections), listener.host, listener.port, backlog=1024
    )
    _announce(listener, server.sockets[0].getsockname()[1])
    await stopped.wait()
    server.close()
    for connection in list(connections):
        connection.finish(keep_alive=False)
    await service.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stopped.set()

    loop.add_reader(descriptor, read)


def _announce(listener: Listener, port: int) -> None:
    if listener.port_file is not None:
        listener.port_file.parent.mkdir(parents=True, exist_ok=True)
        draft = listener.port_file.with_name(listener.port_file.name + ".new")
        draft.write_text(f"{port}\n")
        draft.replace(listener.port_file)  # readers see the whole number or no file
    print(f"{listener.name} ready on http://{listener.host}:{port}", flush=True)
