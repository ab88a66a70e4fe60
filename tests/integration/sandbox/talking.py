"""Requests as a client sends them, for tests of the stand-in."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox

DOMAIN = "news.example"
KEY = "re_main"
RESTRICTED_KEY = "re_send_only"
OTHER_KEY = "re_other"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def name(self) -> str:
        """The name of the error."""
        return str(self.json["name"])


def mail(**changes: Any) -> dict[str, Any]:
    base = {"to": "ada@example.org", "subject": "Hello", "html": "<p>Hi</p>"}
    return {"from": f"News <news@{DOMAIN}>", **base, **changes}


def call(  # noqa: PLR0913 - the parts of an HTTP request
    sandbox: ResendSandbox,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None = KEY,
    timeout: float = 10,
    **headers: str,
) -> Reply:
    """One request on a connection of its own. Header names are written with _ for -."""
    sent = {"User-Agent": "tests"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=timeout)
    try:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        connection.request(method, path, raw, sent)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


def send(sandbox: ResendSandbox, *, idempotency_key: str | None = None, **given: Any) -> Reply:
    """POST one mail; `given` are fields of the mail."""
    if idempotency_key is None:
        return call(sandbox, "POST", "/emails", mail(**given))
    return call(sandbox, "POST", "/emails", mail(**given), Idempotency_Key=idempotency_key)


def connect(sandbox: ResendSandbox) -> socket.socket:
    parts = urlsplit(sandbox.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)


def head(method: str, path: str, *lines: str) -> bytes:
    """The head of a request with a valid key."""
    common = ("Host: sandbox", f"Authorization: Bearer {KEY}", "User-Agent: tests")
    return "\r\n".join((f"{method} {path} HTTP/1.1", *common, *lines, "", "")).encode()


def read_reply(connection: socket.socket) -> Reply:
    """One whole answer from a socket."""
    start = b""
    while not start.endswith(b"\r\n\r\n"):
        start += _read(connection, 1)  # no further: the next answer may be right behind
    first, *lines = start.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = _read(connection, int(headers.get("content-length", 0)))
    return Reply(int(first.split(" ")[1]), headers, body)


def _read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = connection.recv(size - len(received))
        if not more:
            raise ConnectionError("closed before the answer was whole")
        received += more
    return received
