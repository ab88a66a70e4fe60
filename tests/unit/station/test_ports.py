from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from apps.station.local import ports
from apps.station.local.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_preferred_port_is_kept_when_free(taken_port: int) -> None:
    free = ports.free_port()

    assert ports.free_port(preferred=free) == free


def test_another_port_is_found_when_the_preferred_one_is_taken(taken_port: int) -> None:
    found = ports.free_port(preferred=taken_port)

    assert found != taken_port
    assert ports.is_free(found)


def test_found_ports_lie_below_those_of_outgoing_connections() -> None:
    found = {ports.free_port() for _ in range(50)}

    assert min(found) >= 15_000
    assert max(found) <= 32_000


def test_machine_without_free_ports_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)

    with pytest.raises(StationError, match="no free port"):
        ports.free_port()
