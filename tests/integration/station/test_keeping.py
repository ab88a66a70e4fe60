# ruff: noqa: S310 - starts programs and asks addresses that the tests name themselves
"""The lasting station: all programs of the Procfile, from `up` to `down`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from apps.station.local import keeping, procfile
from apps.station.local.environment import is_foreign
from apps.station.local.errors import StationError
from apps.station.local.instance import PROJECT
from apps.station.local.processes import await_end, marked
from apps.station.local.quarters import sheltered_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own in place of the project's, and an environment without any setting."""
    var = tmp_path_factory.mktemp("var")
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(is_foreign, list(os.environ)):
            patch.delenv(name)
        yield var
        keeping.down(var=var)
    shutil.rmtree(sheltered_data(var / "up").parent, ignore_errors=True)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Two programs in place of all, where it does not matter which they are."""
    path = tmp_path / "Procfile"
    lines = procfile.PROCFILE.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(one for one in lines if one.startswith(("web:", "sweeper:"))))
    return path


@pytest.fixture(scope="module")
def addresses(var: Path) -> keeping.Addresses:
    found, is_new = keeping.up(var=var)
    assert is_new
    return found


def _await_running(var: Path) -> dict[str, int]:
    """Process ids of all programs, once all of them run."""
    deadline = time.monotonic() + 60
    while any(one.state != "RUNNING" for one in keeping.states(var=var)):
        assert time.monotonic() < deadline, keeping.states(var=var)
        time.sleep(0.1)
    return {one.program: one.pid for one in keeping.states(var=var)}


def test_every_program_runs(addresses: keeping.Addresses, var: Path) -> None:
    running = _await_running(var)

    expected = {one.name for one in procfile.programs({"PORT": "1", "FLUX_VAR_DIR": "/"})}
    own = {"postgres", "valkey", "resend-sandbox", "lime-sandbox", "watchdog", "flower"}
    assert set(running) == expected | own


def test_web_answers_at_the_printed_addresses(addresses: keeping.Addresses) -> None:
    with urllib.request.urlopen(addresses.admin, timeout=30) as answer:
        assert answer.status == 200


def test_sandbox_takes_the_printed_key(addresses: keeping.Addresses) -> None:
    request = urllib.request.Request(
        f"{addresses.sandbox}/domains",
        headers={"Authorization": f"Bearer {addresses.sandbox_key}", "User-Agent": "test"},
    )

    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_second_up_finds_the_first(addresses: keeping.Addresses, var: Path) -> None:
    before = _await_running(var)

    found, is_new = keeping.up(var=var)

    assert not is_new
    assert found == addresses
    assert _await_running(var) == before


def test_what_dies_is_started_again(addresses: keeping.Addresses, var: Path) -> None:
    before = _await_running(var)
    os.killpg(before["sweeper"], signal.SIGKILL)

    deadline = time.monotonic() + 20
    while keeping.states(var=var) and _await_running(var)["sweeper"] == before["sweeper"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_password_is_in_private_files_alone(addresses: keeping.Addresses, var: Path) -> None:
    for file in (one for one in (var / "up").rglob("*") if one.is_file()):
        if addresses.admin_password.encode() in file.read_bytes():
            assert file.stat().st_mode & 0o077 == 0, file


def test_command_joins_the_running_station(addresses: keeping.Addresses, var: Path) -> None:
    environment = keeping.environment(var=var)

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert environment["FLUX_ENVIRONMENT"] == "up"


def test_down_ends_everything_and_data_survives(
    addresses: keeping.Addresses, var: Path, few: Path
) -> None:
    with psycopg.connect(keeping.environment(var=var)["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    processes = marked(var / "up")

    assert keeping.down(var=var)

    assert len(processes) > 20
    assert await_end(processes, seconds=0)
    assert keeping.states(var=var) == []
    assert not keeping.down(var=var)

    again, is_new = keeping.up(var=var, programs=few)
    assert is_new
    assert again.admin_password == addresses.admin_password
    with psycopg.connect(keeping.environment(var=var)["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


def test_up_after_everything_was_killed_starts_anew(var: Path, few: Path) -> None:
    keeping.up(var=var, programs=few)
    for one in marked(var / "up"):
        with contextlib.suppress(psutil.NoSuchProcess):  # it went with one killed before it
            one.send_signal(signal.SIGKILL)

    _, is_new = keeping.up(var=var, programs=few)

    assert is_new
    _await_running(var)


def test_given_servers_are_used_and_none_is_started(
    var: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.up(var=var, programs=few)
    given = keeping.environment(var=var)
    monkeypatch.setenv("DATABASE_URL", given["DATABASE_URL"])
    monkeypatch.setenv("REDIS_URL", given["REDIS_URL"])
    # The same database needs the same keys.
    for name in ("FLUX_SECRETS_KEYS", "FLUX_LINK_KEYS", "FLUX_ERASURE_KEYS"):
        monkeypatch.setenv(name, given[name])
    try:
        found, _ = keeping.up(var=tmp_path, programs=few)

        running = _await_running(tmp_path)
        assert found.database == "given by DATABASE_URL"
        assert found.broker == "given by REDIS_URL"
        assert not {"postgres", "valkey"} & set(running)
    finally:
        keeping.down(var=tmp_path)


def test_failed_start_leaves_nothing(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "short")

    with pytest.raises(StationError, match="DJANGO_SECRET_KEY has 5 characters"):
        keeping.up(var=tmp_path)

    assert marked(tmp_path / "up") == []
    shutil.rmtree(sheltered_data(tmp_path / "up").parent, ignore_errors=True)


def test_sandbox_switch_with_another_word_is_refused() -> None:
    with pytest.raises(StationError, match="FLUX_RESEND_SANDBOX is 'maybe'"):
        keeping.wants_sandbox({"FLUX_RESEND_SANDBOX": "maybe"})


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, True),
        ({"FLUX_RESEND_SANDBOX": "on"}, True),
        ({"FLUX_RESEND_SANDBOX": "OFF"}, False),
        ({"RESEND_API_URL": "https://api.resend.com"}, False),
    ],
)
def test_sandbox_is_started_unless_switched_off(environment: dict[str, str], wanted: bool) -> None:  # noqa: FBT001
    assert keeping.wants_sandbox(environment) is wanted
