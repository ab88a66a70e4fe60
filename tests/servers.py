"""Give a test run servers of its own before Django's settings are read.

Loaded by `-p tests.servers` (see pyproject.toml). It starts PostgreSQL and Valkey in an empty
folder below `var/`, replaces every variable that could lead elsewhere, and ends the servers with
the run. There is no way to run the suite against a database that was there before: variables such
as DATABASE_URL are overwritten, and `insist_on_own_servers` refuses a run without this plugin.

Durability is off here: the data lives as long as the run. Tests that crash a server start a
station of their own.
"""

from __future__ import annotations

import atexit
import os
import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

from apps.station.local.environment import is_foreign
from apps.station.local.errors import StationError
from apps.station.local.local_station import LocalStation

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

PLUGIN_NAME = "tests.servers"
# Tests raise on purpose, one after the other: no queue of theirs is held for it.
PATIENCE = {"FLUX_QUEUE_HOLD_RUN": "1000000"}

_running: list[LocalStation] = []  # at most one


def _end_run(number: int, _: FrameType | None) -> NoReturn:
    """A polite end from outside: pytest would take a SystemExit for a failed test and go on."""
    pytest.exit(f"ended by signal {number}", returncode=128 + number)


def _start() -> LocalStation:
    """Start the servers and let this process, and all it starts, see only them."""
    signal.signal(signal.SIGTERM, _end_run)
    station = LocalStation("test", environment=PATIENCE, durable=False)
    try:
        station.__enter__()
    except StationError as error:
        raise pytest.UsageError(f"the servers for the tests did not start: {error}") from error
    for name in filter(is_foreign, list(os.environ)):
        del os.environ[name]
    os.environ.update(station.environment)
    return station


def _stop() -> None:
    while _running:
        _running.pop().stop()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Start before any other plugin sees this hook: pytest-django reads the settings in it."""
    if not _running:
        _running.append(_start())
        # Errors in the command line end pytest without its last hook.
        atexit.register(_stop)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _stop()


def insist_on_own_servers(config: pytest.Config) -> None:
    """End the run unless this plugin gave it its servers; for the conftest of all tests."""
    if not config.pluginmanager.has_plugin(PLUGIN_NAME):
        raise pytest.UsageError(
            f"tests run against servers of their own only: do not switch off {PLUGIN_NAME!r}"
        )


def running_station() -> LocalStation:
    """The station of this run, for fixtures that need its addresses."""
    if not _running:
        raise StationError(f"no servers were started: {PLUGIN_NAME} is not active")
    return _running[0]
