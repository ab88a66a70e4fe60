"""A process with Django's settings of one station, in which that station's services are called.

Django can be set up once per process, and a test run, a fault run or a benchmark may have several
stations. So each station gets a process of its own, and calls name what they mean:

    desk.call("apps.mail.mailings:pause", mailing_id=1, reason="a test")

What is passed and returned must be plain: numbers, texts, lists, dicts, dataclasses without models.
`python -m tests.desk DESCRIPTOR` is that process; it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import importlib
import signal
import subprocess
import sys
import threading
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

import django
from django.db import close_old_connections

from apps.station.local.instance import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL_SECONDS = 300.0
_END_SECONDS = 10.0


class CallFailedError(Exception):
    """A call at the desk raised; `kind` is the error's class by name, the text its traceback."""

    def __init__(self, kind: str, trace: str) -> None:
        super().__init__(kind, trace)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[1])


class Desk:
    """A context manager; `environment` is all that its process sees. Calls wait for each other."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._connection, theirs = Pipe()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.desk", str(theirs.fileno())],
            cwd=PROJECT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        where: str,
        arguments: Mapping[str, object] | None = None,
        /,
        *,
        within_seconds: float = CALL_SECONDS,
        **more: object,
    ) -> Any:
        """Call `module:function` with keyword arguments and return what it returns.

        Raises CallFailedError where it raises, and TimeoutError after `within_seconds`: the desk
        is unusable then, as its process is killed with the call.
        """
        with self._lock:
            self._connection.send((where, {**(arguments or {}), **more}))
            if not self._connection.poll(within_seconds):
                self._process.kill()
                raise TimeoutError(f"{where} did not end within {within_seconds:g} s")
            result, error = self._connection.recv()
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the process; it gets some seconds for a call under way."""
        self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(descriptor: int) -> None:
    """Answer calls until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is our parent's to deal with
    django.setup()
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError):
        while True:
            connection.send(_answer(*connection.recv()))


def _answer(where: str, arguments: dict[str, Any]) -> tuple[Any, CallFailedError | None]:
    close_old_connections()
    module, _, name = where.partition(":")
    try:
        return getattr(importlib.import_module(module), name)(**arguments), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
        # Not the error itself: one whose constructor takes other arguments does not travel.
        return None, CallFailedError(type(error).__name__, traceback.format_exc())


if __name__ == "__main__":
    # By its importable name, so that an error made here is of the class that the caller knows.
    importlib.import_module("tests.desk").serve(int(sys.argv[1]))
