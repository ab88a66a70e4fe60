"""A stand-in in a process of its own: starting, steering and ending it from Python."""

from __future__ import annotations

import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apps.sandbox.faults import FaultKind

_PROJECT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.01


class SandboxError(Exception):
    """The stand-in did not start, or refused what it was asked; the text says why."""


class StandIn:
    """A stand-in provider on a free loopback port.

    It ends with `stop()`, at the end of a `with` block, and also when this process dies.
    """

    provider: ClassVar[str]
    """Its name on the command line."""

    def __init__(self, directory: Path, *, port: int, settings: Mapping[str, object]) -> None:
        self.directory = directory
        self.accepted_log = directory / "accepted.jsonl"
        self.requests_log = directory / "requests.jsonl"
        self._port = port
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
        command = [sys.executable, "-m", "apps.sandbox", self.provider, "--until-stdin-closes"]
        command += ["--port", str(self._port), "--port-file", str(port_file)]
        command += ["--log", str(self.accepted_log), "--requests-log", str(self.requests_log)]
        command += self.own_options()
        for name, value in self._settings.items():
            command += [f"--{name.replace('_', '-')}", _as_text(value)]
        return command

    def own_options(self) -> list[str]:
        """The options that are no settings, such as accounts."""
        raise NotImplementedError

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

    def configure(self, **changes: object) -> dict[str, Any]:
        """Change settings from now on; returns all of them.

        Raises:
            SandboxError: a name is unknown or a value does not fit.
        """
        return self._control("PATCH", "config", changes)

    def restore(self) -> None:
        """Go back to the settings of the start."""
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


def log_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log so far; one still being written is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
