"""A small HTTP server that remembers the webhooks it was sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

import orjson
import resend

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Hook:
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["svix-id"]

    @property
    def type(self) -> str:
        return str(self.document["type"])

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)

    def verify(self, secret: str = SECRET) -> None:
        """Raise ValueError unless the official SDK accepts the signature."""
        headers = {name: self.headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
        resend.Webhooks.verify(
            {"payload": self.body.decode(), "headers": headers, "webhook_secret": secret}  # type: ignore[typeddict-item]  # a plain dict of its headers
        )


class Receiver:
    """Answers with the statuses in `answers`, one after the other, then with 204."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.answers: list[int] = []
        self.hangs_up = False
        """Whether it closes each connection after one answer, without a word."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/webhooks/main?x=1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, count: int, *, seconds: float = 10) -> list[Hook]:
        """The hooks received, once there are `count` of them."""
        deadline = time.monotonic() + seconds
        while len(self.hooks) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.hooks) >= count, f"{len(self.hooks)} of {count} webhooks came"
        return list(self.hooks)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.hooks.append(Hook(time.time(), headers, body))
                status = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(status)
                if status != 204:
                    self.send_header("content-length", "0")
                self.end_headers()
                self.close_connection |= receiver.hangs_up

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
                """Keep the test output clean."""

        return Handler
