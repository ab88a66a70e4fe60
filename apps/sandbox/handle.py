"""Start, watch and steer a stand-in from Python: for tests, benchmarks and the demo."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from apps.sandbox.faults import FaultKind

_PROJECT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.01


class SandboxError(Exception):
    """The stand-in did not start, or refused what it was asked; the text says why."""


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message the provider has accepted: one line of its log."""

    t: float
    """Unix seconds."""
    account: str
    id: str
    index: int | None
    """Its place in the batch; None for a single mail."""
    to: tuple[str, ...]
    """Bare addresses."""
    sender: str
    subject: str
    tags: dict[str, str]
    key: str | None
    """The Idempotency-Key it was sent under."""
    sha256: str
    """Of html followed by text, in UTF-8; hex."""
    list_unsubscribe: str | None


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request to the API: one line of its log."""

    t: float
    """Arrival in Unix seconds."""
    method: str
    path: str
    status: int | None
    """None where a fault left it without one."""
    error: str | None
    fault: str | None
    messages: int
    """How many messages the body held; 0 where it was not read."""
    accepted: int
    """How many of them were accepted by this very request."""
    replayed: bool
    """Answered from what is remembered under its key."""
    account: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class WebhookStats:
    delivered: int
    failed: int
    given_up: int
    dropped: int
    pending: int


@dataclass(frozen=True, slots=True)
class SandboxStats:
    """What the stand-in has counted since its start or its last reset."""

    requests: dict[str, int]
    """By status, or by the name of the fault that left them without one."""
    sends: int
    """Sends that passed the rate limit; what a fault script counts."""
    accepted: int
    """Messages."""
    replayed: int
    refused_429: dict[str, int]
    """By error name."""
    faults: dict[str, int]
    max_requests_per_second: int
    """Most requests of one account in any second, (t - 1, t], refused ones included."""
    max_requests_per_second_by_account: dict[str, int]
    webhooks: WebhookStats
    cpu_seconds: float
    """User and system time of the process since it started."""
    uptime_seconds: float


class ResendSandbox:
    """A stand-in for the Resend API in a process of its own, on a free loopback port.

    It ends with `stop()`, at the end of a `with` block, and also when this process dies.
    """

    def __init__(
        self,
        directory: Path,
        *,
        accounts: Mapping[str, str | Sequence[str]],
        domains: Sequence[str] = (),
        port: int = 0,
        **settings: object,
    ) -> None:
        """Describe a stand-in; `start()` or `with` starts it.

        Args:
            directory: where its logs go; existing logs are continued.
            accounts: API keys by account name; `key:sending_access` restricts a key.
            domains: verified sending domains, `[account=]name[:status]`.
            port: 0 picks a free one.
            settings: any setting of `apps.sandbox.resend.settings.Settings`.
        """
        self.directory = directory
        self.accepted_log = directory / "accepted.jsonl"
        self.requests_log = directory / "requests.jsonl"
        self._port = port
        self._accounts = accounts
        self._domains = domains
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise SandboxError("the sandbox is not running; call start() first")
        return self._process.pid

    def start(self, *, timeout_seconds: float = 20.0) -> None:
        """Start the process and wait until it answers. A restart keeps the port."""
        self.directory.mkdir(parents=True, exist_ok=True)
        port_file = self.directory / "port"
        port_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self.command(port_file), cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        self._port = self._await_port(port_file, timeout_seconds)

    def command(self, port_file: Path) -> list[str]:
        """The command line that starts this stand-in."""
        command = [sys.executable, "-m", "apps.sandbox", "resend", "--until-stdin-closes"]
        command += ["--port", str(self._port), "--port-file", str(port_file)]
        command += ["--log", str(self.accepted_log), "--requests-log", str(self.requests_log)]
        for name, keys in self._accounts.items():
            for key in [keys] if isinstance(keys, str) else keys:
                command += ["--account", f"{name}:{key}"]
        for domain in self._domains:
            command += ["--domain", domain]
        for name, value in self._settings.items():
            command += [f"--{name.replace('_', '-')}", _as_text(value)]
        return command

    def _await_port(self, port_file: Path, timeout_seconds: float) -> int:
        assert self._process is not None  # noqa: S101 - start() has just made it
        deadline = time.monotonic() + timeout_seconds
        while not port_file.exists():
            if (code := self._process.poll()) is not None:
                raise SandboxError(f"the sandbox ended with exit code {code} while starting")
            if time.monotonic() > deadline:
                self.stop()
                raise SandboxError(f"the sandbox was not ready within {timeout_seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return int(port_file.read_text())

    def stop(self, *, timeout_seconds: float = 10.0) -> None:
        """End the process; its logs are complete and on disk afterwards."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def accepted(self) -> Iterator[AcceptedMessage]:
        """The accepted messages so far, in order, read from the log."""
        for line in _lines(self.accepted_log):
            line["sender"] = line.pop("from")
            line["to"] = tuple(line["to"])
            yield AcceptedMessage(**line)

    def requests(self) -> Iterator[LoggedRequest]:
        """The requests to the API so far, by arrival, read from the log."""
        for line in _lines(self.requests_log):
            yield LoggedRequest(**line)

    def stats(self) -> SandboxStats:
        document = self._control("GET", "stats")
        document["webhooks"] = WebhookStats(**document["webhooks"])
        return SandboxStats(**document)

    def configure(self, **changes: object) -> dict[str, Any]:
        """Change settings from now on; returns all of them.

        Also takes `domains={name: status}` and `accounts={name: {setting: value}}`.

        Raises:
            SandboxError: a name is unknown or a value does not fit.
        """
        return self._control("PATCH", "config", changes)

    def restore(self) -> None:
        """Go back to the settings of the start, for all accounts; domains stay as they are."""
        self._control("PUT", "config")

    def next_fault(
        self, kind: FaultKind | str, *, count: int = 1, seconds: float | None = None
    ) -> None:
        """Let the next `count` sends fail like this."""
        body = {"kind": str(kind), "count": count, "seconds": seconds}
        self._control("POST", "next-fault", body)

    def reset(self) -> None:
        """Forget all that was sent and counted, and empty both logs; settings stay."""
        self._control("POST", "reset")

    def _control(self, method: str, action: str, body: object = None) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            document = orjson.dumps(body or {}, option=orjson.OPT_NON_STR_KEYS)
            connection.request(method, f"/_sandbox/{action}", document)
            answer = connection.getresponse()
            found: dict[str, Any] = orjson.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:  # noqa: PLR2004 - anything else is a refusal
            raise SandboxError(found["error"])
        return found


def _as_text(value: object) -> str:
    """A setting the way the command line takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ",".join(f"{key}={part}" for key, part in value.items())
    return "" if value is None else str(value)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
