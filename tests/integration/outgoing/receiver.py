"""A real HTTP server on the other side, which answers as a test says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

import orjson
import resend


@dataclass(frozen=True)
class Answer:
    """What the receiver does with one request; `seconds` is how long it takes."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class Hook:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)

    def verify(self, secret: str) -> None:
        """Raises ValueError unless somebody else's library accepts the signature."""
        found = {name: self.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}
        resend.Webhooks.verify(
            {"payload": self.body.decode(), "headers": found, "webhook_secret": secret}  # type: ignore[typeddict-item]  # a plain dict of its headers
        )


class Receiver:
    """Gives the answers in `answers`, one after the other, then `otherwise`."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.answers: list[Answer] = []
        self.otherwise = Answer()
        self.most_at_once = 0
        self._now = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/in?from=station"

    @property
    def types(self) -> list[str]:
        return sorted(hook.document["type"] for hook in self.hooks)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, hook: Hook) -> Answer:
        with self._lock:
            self.hooks.append(hook)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            answer = self.answers.pop(0) if self.answers else self.otherwise
        time.sleep(answer.seconds)
        with self._lock:
            self._now -= 1
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver.take(Hook(self.path, headers, body))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
                """Keep the test output clean."""

        return Handler
