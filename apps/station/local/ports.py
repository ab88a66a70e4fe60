"""Free loopback ports for servers."""

from __future__ import annotations

import random
import socket

from apps.station.local.errors import StationError

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel picks ports of outgoing connections (32768 on Linux, 49152
# elsewhere): a server that restarts must find its port free, and with thousands of loopback
# connections in flight one of them would sooner or later sit on it.
_LOWEST = 15_000
_HIGHEST = 32_000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(*, preferred: int | None = None) -> int:
    """A port nobody listens on: `preferred` where it is free, else a random one.

    Raises StationError where 200 random ports were all taken.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    drawn = random.SystemRandom()
    for _ in range(_TRIES):
        port = drawn.randint(_LOWEST, _HIGHEST)
        if is_free(port):
            return port
    raise StationError(f"no free port between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")
