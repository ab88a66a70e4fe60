# ruff: noqa: S603 - starts programs that the tests name themselves
"""The command line, as people, make and a service manager use it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from apps.station.local.instance import PROJECT
from apps.station.local.processes import await_end, marked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCAL = [sys.executable, "-m", "apps.station.local"]
RUN = [*LOCAL, "run", "--no-durability"]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], Path, list[psutil.Process]]]:
    """A `run` under way, its folder and the processes of its station."""
    show = 'trap "echo told; exit 3" TERM INT; echo $FLUX_VAR_DIR; while :; do sleep 0.1; done'
    with subprocess.Popen(
        [*RUN, "--", "sh", "-c", show],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as launcher:
        assert launcher.stdout is not None
        folder = PROJECT / launcher.stdout.readline().strip()
        processes = marked(folder)
        assert len(processes) > 3
        yield launcher, folder, processes
        # The command outlives a killed launcher; it is in the launcher's own session.
        for one in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                if one.pid != launcher.pid and os.getsid(one.pid) == launcher.pid:
                    one.kill()


@pytest.mark.parametrize("code", [0, 1, 42])
def test_run_returns_the_command_s_exit_code(code: int) -> None:
    done = _run("--no-valkey", "--", "sh", "-c", f"exit {code}")

    assert done.returncode == code


def test_run_tells_which_signal_ended_the_command() -> None:
    done = _run("--no-valkey", "--", "sh", "-c", "kill -9 $$")

    assert done.returncode == 128 + 9


def test_run_ignores_servers_and_accounts_of_the_environment() -> None:
    done = _run(
        "--",
        "env",
        DATABASE_URL="postgresql://somebody@db.example.com/production",
        REDIS_URL="redis://cache.example.com",
        RESEND_API_KEY="re_real",
        SENTRY_DSN="https://errors.example.com",
        PGHOST="db.example.com",
        FLUX_ENVIRONMENT="production",
    )

    assert "example.com" not in done.stdout
    assert "re_real" not in done.stdout
    assert re.search(
        r"^DATABASE_URL=postgresql://flux:\S+@127\.0\.0\.1:\d+/flux$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^REDIS_URL=redis://:\S+@127\.0\.0\.1:\d+/0$", done.stdout, re.MULTILINE)
    assert "FLUX_ENVIRONMENT=test\n" in done.stdout


def test_run_without_valkey_has_no_broker() -> None:
    done = _run("--no-valkey", "--", "sh", "-c", "echo $REDIS_URL")

    assert done.stdout == "redis://127.0.0.1:1/0\n"  # nobody listens there


def test_run_of_unknown_command_says_so() -> None:
    done = _run("--no-valkey", "--", "no-such-command")

    assert done.returncode == 127
    assert "cannot run no-such-command" in done.stderr


def test_run_without_command_says_what_is_expected() -> None:
    done = _run()

    assert done.returncode == 1
    assert "no command given" in done.stderr


def test_run_under_the_name_of_the_lasting_station_is_refused() -> None:
    done = _run("--name", "up", "--", "true")

    assert done.returncode == 2
    assert "invalid choice: 'up'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_the_command_and_everything_ends(
    running: tuple[subprocess.Popen[str], Path, list[psutil.Process]], number: signal.Signals
) -> None:
    launcher, _, processes = running
    # A terminal sends Ctrl-C to the whole foreground group; TERM comes to the launcher alone.
    if number == signal.SIGINT:
        os.killpg(launcher.pid, number)
    else:
        launcher.send_signal(number)

    output, _ = launcher.communicate(timeout=30)

    assert output == "told\n"
    assert launcher.returncode == 3
    assert await_end(processes, seconds=0)


def test_killed_launcher_leaves_no_server_behind(
    running: tuple[subprocess.Popen[str], Path, list[psutil.Process]],
) -> None:
    launcher, folder, processes = running

    launcher.kill()

    assert await_end(processes, seconds=15)
    assert marked(folder) == []


def test_killed_process_manager_leaves_no_server_behind(
    running: tuple[subprocess.Popen[str], Path, list[psutil.Process]],
) -> None:
    _, _, processes = running
    manager = next(one for one in processes if "supervisor.supervisord" in one.cmdline())

    manager.kill()

    assert await_end(processes, seconds=15)
