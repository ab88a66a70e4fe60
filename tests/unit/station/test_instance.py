# ruff: noqa: S603 - starts programs that the tests name themselves
from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from apps.station.local import instance as instances
from apps.station.local.errors import (
    AlreadyRunningError,
    ForeignFolderError,
    StationError,
)
from apps.station.local.instance import lasting_instance, throwaway_instance
from apps.station.local.programs import DISCARD_MARK, FOLDER_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of an instance whose launcher and process manager are gone."""
    with _sleeper(folder=tmp_path / "test") as started:
        yield started
        started.kill()


def _sleeper(*, folder: Path, ignoring: str = "") -> subprocess.Popen[bytes]:
    code = (
        "import signal, sys, time\n"
        f"for name in {ignoring.split()!r}: signal.signal(getattr(signal, name), signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, FOLDER_MARK: str(folder), DISCARD_MARK: "TERM"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert started.stdout is not None
    started.stdout.readline()
    return started


def test_second_run_at_the_same_time_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    first = throwaway_instance("test", var=tmp_path)
    second = throwaway_instance("test", var=tmp_path)

    assert first.folder == tmp_path / "test"
    assert second.folder == tmp_path / "test-2"
    first.release()
    second.release()


def test_released_folder_is_used_again_and_is_empty(tmp_path: Path) -> None:
    first = throwaway_instance("demo", var=tmp_path)
    (first.folder / "left").write_text("over", encoding="utf-8")
    first.release()

    second = throwaway_instance("demo", var=tmp_path)

    assert second.folder == first.folder
    assert list(second.folder.iterdir()) == []
    second.release()


def test_folder_of_the_lasting_station_cannot_be_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(StationError, match="'up' is not one of demo, test, faults, bench"):
        throwaway_instance("up", var=tmp_path)


def test_too_many_runs_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_MOST_AT_ONCE", 1)
    first = throwaway_instance("test", var=tmp_path)

    with pytest.raises(StationError, match="1 runs of 'test' are under way"):
        throwaway_instance("test", var=tmp_path)
    first.release()


def test_lasting_station_is_started_by_one_at_a_time(tmp_path: Path) -> None:
    first = lasting_instance(var=tmp_path)

    with pytest.raises(AlreadyRunningError):
        lasting_instance(var=tmp_path)

    first.release()
    lasting_instance(var=tmp_path).release()


def test_lasting_station_keeps_what_is_in_its_folder(tmp_path: Path) -> None:
    first = lasting_instance(var=tmp_path)
    (first.folder / "data").mkdir()
    first.release()

    second = lasting_instance(var=tmp_path)

    assert (second.folder / "data").is_dir()
    second.release()


def test_folder_cannot_be_listed_by_others(tmp_path: Path) -> None:
    instance = throwaway_instance("test", var=tmp_path)

    assert instance.folder.stat().st_mode & 0o777 == 0o711
    instance.release()


def test_leftovers_of_a_killed_start_are_ended(
    tmp_path: Path, leftover: subprocess.Popen[bytes]
) -> None:
    instance = throwaway_instance("test", var=tmp_path)

    assert leftover.wait(timeout=5) == -15
    instance.release()


def test_leftovers_that_ignore_the_polite_way_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "_LEFTOVER_SECONDS", 0.2)
    with _sleeper(folder=tmp_path / "test", ignoring="SIGTERM") as stubborn:
        throwaway_instance("test", var=tmp_path).release()

        assert stubborn.wait(timeout=5) == -9


def test_programs_of_other_instances_are_left_alone(tmp_path: Path) -> None:
    with _sleeper(folder=tmp_path / "test-2") as other:
        throwaway_instance("test", var=tmp_path).release()

        assert other.poll() is None
        other.kill()


def test_process_with_a_reused_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test" / "run").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        pid_file = tmp_path / "test" / "run" / "supervisord.pid"
        pid_file.write_text(f"{stranger.pid}\n", encoding="ascii")

        throwaway_instance("test", var=tmp_path).release()

        assert psutil.Process(stranger.pid).is_running()
        assert stranger.poll() is None
        stranger.kill()


def test_folder_of_somebody_else_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    (tmp_path / "test" / "data").mkdir(parents=True)
    monkeypatch.setattr("shutil.rmtree", refuse)

    with pytest.raises(ForeignFolderError, match="sudo rm -r"):
        throwaway_instance("test", var=tmp_path)
