"""A throwaway station with real servers, and what is done to it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from apps.station.local import postgres, servers
from apps.station.local.errors import NotReadyError, StationError
from apps.station.local.local_station import LocalStation
from apps.station.local.processes import is_alive
from apps.station.local.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from apps.station.local.supervision import ProgramState

# A process with children in its group, as a prefork worker has.
FAMILY = "sleep 61 & sleep 62 & wait"


@pytest.fixture(scope="module")
def station() -> Iterator[LocalStation]:
    with LocalStation("test", environment={"ADDED": "by the test"}) as entered:
        yield entered


def _await(happened: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


def _state(station: LocalStation, program: str) -> ProgramState:
    return next(one for one in station.states() if one.program == program)


def _query(station: LocalStation, statement: str) -> object:
    with psycopg.connect(station.environment["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def _execute(station: LocalStation, statement: str) -> None:
    with psycopg.connect(station.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement)


def test_database_keeps_every_promise(station: LocalStation) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert _query(station, f"SHOW {name}") == "on"


def test_database_sorts_by_code_point_in_utf8(station: LocalStation) -> None:
    assert _query(station, "SHOW server_encoding") == "UTF8"
    assert _query(station, "SELECT 'Z' < 'a' AND lower('ÄÖ') = 'äö'") is True


def test_application_is_no_superuser(station: LocalStation) -> None:
    assert _query(station, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


def test_database_listens_on_loopback_alone(station: LocalStation) -> None:
    assert _query(station, "SHOW listen_addresses") == "127.0.0.1"


def test_database_wants_the_password(station: LocalStation) -> None:
    wrong = station.environment["DATABASE_URL"].replace(station.secrets.postgres, "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_broker_writes_every_change_and_never_forgets(station: LocalStation) -> None:
    with station.valkey.server.client() as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_servers_do_not_run_as_root(station: LocalStation) -> None:
    pids = [*station.pids("postgres"), *station.pids("valkey")]
    users = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's helpers come and go
            users.append(psutil.Process(pid).uids().effective)

    assert len(users) > 2
    assert 0 not in users


def test_passwords_are_in_no_command_line(station: LocalStation) -> None:
    for pid in (pid for one in station.states() for pid in station.pids(one.program)):
        line = ""
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's helpers come and go
            line = " ".join(psutil.Process(pid).cmdline())
        assert station.secrets.postgres not in line
        assert station.secrets.valkey not in line


def test_crashed_database_recovers_what_was_committed(station: LocalStation) -> None:
    _execute(station, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")

    killed = station.postgres.crash()
    station.postgres.wait_ready()

    assert killed > 5
    assert _query(station, "SELECT count(*) FROM kept") == 1000


def test_restarted_database_keeps_its_address(station: LocalStation) -> None:
    before = _state(station, "postgres").pid

    station.postgres.restart()

    assert _state(station, "postgres").pid != before
    assert _query(station, "SELECT 1") == 1


def test_crashed_broker_comes_back_with_its_content(station: LocalStation) -> None:
    with station.valkey.server.client() as client:
        client.set("kept", "1")
        client.wait(0, 0)
        time.sleep(1.1)  # appendfsync everysec

        station.valkey.crash()
        _await(station.valkey.server.is_ready)

        assert client.get("kept") == b"1"


def test_emptied_broker_is_empty(station: LocalStation) -> None:
    with station.valkey.server.client() as client:
        client.set("key", "1")

        station.valkey.flush_all()

        assert client.dbsize() == 0


def test_programs_see_the_station_s_environment(station: LocalStation, tmp_path: Path) -> None:
    target = tmp_path / "seen"
    station.start(
        Program(
            name="shows",
            command=("sh", "-c", f"env > '{target}.new'; mv '{target}.new' '{target}'; sleep 60"),
            environment={"OWN": "of the program"},
        )
    )

    _await(target.exists)
    seen = target.read_text(encoding="utf-8")
    assert "ADDED=by the test\n" in seen
    assert "OWN=of the program\n" in seen
    assert f"DATABASE_URL={station.environment['DATABASE_URL']}\n" in seen


def test_killed_program_is_started_again(station: LocalStation) -> None:
    station.start(Program(name="family", command=("sh", "-c", FAMILY)))
    _await(lambda: len(station.pids("family")) == 3)
    before = set(station.pids("family"))

    killed = station.kill_group("family")

    assert killed == 3
    _await(lambda: len(station.pids("family")) == 3)
    assert not before & set(station.pids("family"))


def test_program_that_ends_at_once_is_started_again(station: LocalStation) -> None:
    station.start(Program(name="fails", command=("sh", "-c", "echo ends at once; exit 1")))

    _await(lambda: station.supervision.log_tail("fails", 1000).count("ends at once") >= 3)

    assert _state(station, "fails").state in {"BACKOFF", "STARTING"}
    station.supervision.stop("fails")


def test_replicas_are_processes_with_a_log_each(station: LocalStation) -> None:
    station.start(Program(name="many", command=("sh", "-c", "echo here; sleep 60"), replicas=3))

    _await(lambda: len({one.pid for one in station.states() if one.program == "many"} - {0}) == 3)

    assert {one.process for one in station.states() if one.program == "many"} == {
        "many-0",
        "many-1",
        "many-2",
    }
    _await(lambda: "here" in station.supervision.log_tail("many-2", 1000))


def test_polite_stop_reaches_the_first_process_alone(station: LocalStation, tmp_path: Path) -> None:
    told = tmp_path / "told"
    child = f"trap 'echo child >> {told}' TERM; while :; do sleep 0.1; done"
    parent = f"trap 'echo parent >> {told}; exit 0' TERM; sh -c \"{child}\" & wait"
    station.start(Program(name="polite", command=("sh", "-c", parent)))
    _await(lambda: len(station.pids("polite")) >= 2)
    time.sleep(0.3)  # the traps are set

    station.supervision.stop("polite")

    assert told.read_text(encoding="utf-8") == "parent\n"


def test_program_that_does_not_end_is_killed_with_its_children(station: LocalStation) -> None:
    command = "trap '' TERM; sleep 61 & while :; do wait; sleep 1; done"
    station.start(Program(name="stubborn", command=("sh", "-c", command), stop_seconds=1))
    _await(lambda: len(station.pids("stubborn")) >= 2)
    pids = station.pids("stubborn")

    station.supervision.stop("stubborn")

    _await(lambda: not any(map(_lives, pids)))


def test_name_is_given_once(station: LocalStation) -> None:
    station.start(Program(name="once", command=("sleep", "60")))

    with pytest.raises(StationError, match="'once' was started already"):
        station.start(Program(name="once", command=("sleep", "60")))


def test_logs_are_private(station: LocalStation) -> None:
    for log in (station.folder / "logs").glob("*.log"):
        assert log.stat().st_mode & 0o077 == 0, log


def test_nothing_is_left_of_an_ended_station() -> None:
    with LocalStation("test", durable=False) as station:
        station.start(Program(name="family", command=("sh", "-c", FAMILY)))
        _await(lambda: len(station.pids("family")) == 3)
        pids = {pid for one in station.states() for pid in station.pids(one.program)}
        data = station.postgres.server.data

    assert len(pids) > 10
    assert not any(map(_lives, pids))
    assert not data.exists()


def test_server_that_never_gets_ready_shows_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(postgres._SETTINGS, "work_mem", "plenty")
    monkeypatch.setattr(servers, "_GIVE_UP_SECONDS", 1.0)

    with pytest.raises(NotReadyError, match="plenty"), LocalStation("test", durable=False):
        pass


def test_station_whose_start_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    station = LocalStation("test", durable=False)
    pids: list[int] = []

    def fail(self: object) -> None:
        pids.extend(station.pids("postgres"))
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("apps.station.local.postgres.PostgresServer.create_database", fail)

    with pytest.raises(RuntimeError, match="the disk is full"), station:
        pass

    assert pids
    assert not any(map(_lives, pids))
