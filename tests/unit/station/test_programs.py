from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from apps.station.local.errors import StationError
from apps.station.local.programs import (
    Program,
    read_environment,
    write_environment,
    write_private,
    write_spec,
)
from apps.station.local.quarters import SystemUser

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["", "Web", "web.1", "web one", "-web", "web\n", "w" * 42, "1web"])
def test_program_with_unusable_name_is_refused(name: str) -> None:
    with pytest.raises(StationError, match="program name"):
        Program(name=name, command=("true",))


def test_program_without_command_is_refused() -> None:
    with pytest.raises(StationError, match="command is empty"):
        Program(name="web", command=())


def test_program_without_replicas_is_refused() -> None:
    with pytest.raises(StationError, match="replicas is 0"):
        Program(name="web", command=("true",), replicas=0)


@pytest.mark.parametrize("field", ["stop_signal", "discard_signal"])
def test_program_with_unknown_signal_is_refused(field: str) -> None:
    with pytest.raises(StationError, match="SIGTERM"):
        Program(name="web", command=("true",), **{field: "SIGTERM"})  # type: ignore[arg-type]


def test_private_file_is_readable_by_nobody_else(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_text("older, and open to all", encoding="utf-8")
    target.chmod(0o644)

    write_private(target, "new")

    assert target.read_text(encoding="utf-8") == "new"
    assert target.stat().st_mode & 0o777 == 0o600


def test_spec_holds_all_a_leash_needs(tmp_path: Path) -> None:
    program = Program(
        name="web",
        command=("gunicorn", "config.wsgi"),
        environment={"SHARED": "program", "OWN": "1"},
        discard_signal="KILL",
        folder=tmp_path / "a b",
        user=SystemUser(name="nobody", uid=65534, gid=65533),
    )

    write_spec(
        tmp_path / "web.json",
        program=program,
        environment={"SHARED": "station", "PATH": "/bin"},
        mark=tmp_path,
        death_signal="TERM",
        parent=42,
    )

    spec = json.loads((tmp_path / "web.json").read_text(encoding="utf-8"))
    assert spec == {
        "command": ["gunicorn", "config.wsgi"],
        "environment": {
            "SHARED": "program",
            "OWN": "1",
            "PATH": "/bin",
            "FLUX_STATION_FOLDER": str(tmp_path),
            "FLUX_STATION_DISCARD_SIGNAL": "KILL",
        },
        "folder": str(tmp_path / "a b"),
        "death_signal": "TERM",
        "user": [65534, 65533],
        "parent": 42,
    }
    assert (tmp_path / "web.json").stat().st_mode & 0o777 == 0o600


def test_environment_file_gives_back_what_was_written(tmp_path: Path) -> None:
    environment = {
        "PLAIN": "1",
        "HARD": 'it\'s "50%" $HOME `x`;\nsecond line = export',
        "EMPTY": "",
    }

    write_environment(tmp_path / "environment", environment)

    assert read_environment(tmp_path / "environment") == environment
