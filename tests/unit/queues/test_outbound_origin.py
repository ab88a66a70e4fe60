"""Where requests go, and what a transport refuses to be made of."""

from __future__ import annotations

import socket
import time

import pytest

from apps.queues.outbound import Transport
from apps.queues.outbound.dialling import Origin
from apps.queues.outbound.wire import Wire


@pytest.mark.parametrize(
    ("base_url", "authority", "port", "path"),
    [
        ("https://api.resend.com", "api.resend.com", 443, ""),
        ("http://127.0.0.1:8025/", "127.0.0.1:8025", 8025, ""),
        ("http://[::1]:99/mail/", "[::1]:99", 99, "/mail"),
        ("https://bücher.example", "xn--bcher-kva.example", 443, ""),
    ],
)
def test_origin_of_a_base_url(base_url: str, authority: str, port: int, path: str) -> None:
    origin = Origin.parse(base_url)

    assert (origin.authority, origin.port, origin.path) == (authority, port, path)


@pytest.mark.parametrize(
    "base_url",
    ["", "api.resend.com", "ftp://host", "http://", "https://user:key@host", "http://host/?a=b"],
)
def test_origin_of_anything_else_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        Origin.parse(base_url)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_timeout_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="total_timeout_s is"):
        Transport("http://host", connect_timeout_s=1, read_timeout_s=1, total_timeout_s=seconds)


@pytest.mark.parametrize("path", ["emails", "/with space", "/line\r\nbreak", "/ümlaut"])
def test_path_that_is_not_encoded_is_refused(path: str) -> None:
    transport = Transport("http://host", connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1)

    with pytest.raises(ValueError, match="percent-encoded"):
        transport.request("GET", path, headers={})


def test_header_with_a_line_break_is_refused_as_the_callers_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = Transport(url, connect_timeout_s=1, read_timeout_s=1, total_timeout_s=1)

        with pytest.raises(ValueError, match="header"):
            transport.request("GET", "/", headers={"X-Key": "a\r\nb"})


def test_wire_is_silent_once_its_time_is_used_up() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours, stall_s=1)
    wire.begin(deadline=time.monotonic() - 0.001, max_bytes=10)

    with pytest.raises(TimeoutError):
        wire.sendall(b"too late")

    assert wire.is_over
    assert not wire.has_sent
    wire.close()
    theirs.close()


def test_wire_tells_whether_a_byte_left() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours, stall_s=1)
    wire.begin(deadline=float("inf"), max_bytes=10)
    theirs.close()

    with pytest.raises(BrokenPipeError):
        wire.sendall(b"lost")

    assert not wire.has_sent
    wire.close()
