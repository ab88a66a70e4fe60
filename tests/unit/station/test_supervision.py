from __future__ import annotations

from configparser import RawConfigParser
from typing import TYPE_CHECKING

from apps.station.local.programs import Program
from apps.station.local.supervision import Supervision

if TYPE_CHECKING:
    from pathlib import Path


def _configuration(folder: Path, *programs: Program) -> RawConfigParser:
    (folder / "run").mkdir()
    supervision = Supervision(folder, environment={})
    supervision._programs = {one.name: one for one in programs}
    supervision._write_configuration()
    parser = RawConfigParser()
    parser.read(folder / "run" / "supervisord.conf", encoding="utf-8")
    return parser


def test_programs_are_started_again_for_ever(tmp_path: Path) -> None:
    web = _configuration(tmp_path, Program(name="web", command=("serve",)))["program:web"]

    # The manager's own default is to give up after three tries, about 6 seconds.
    assert web.getboolean("autorestart")
    assert int(web["startretries"]) >= 1_000_000


def test_programs_are_ended_the_way_they_ask_for(tmp_path: Path) -> None:
    program = Program(name="web", command=("serve",), stop_signal="INT", stop_seconds=7, tier=1)

    web = _configuration(tmp_path, program)["program:web"]

    assert (web["stopsignal"], web["stopwaitsecs"], web["priority"]) == ("INT", "7", "1")


def test_folder_with_special_characters_is_not_in_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "a %(here)s ;b #c 'd\" 50%"
    folder.mkdir()

    _configuration(folder, Program(name="web", command=("serve", "%")))

    written = (folder / "run" / "supervisord.conf").read_text(encoding="utf-8")
    assert str(tmp_path) not in written


def test_environment_is_not_in_the_configuration(tmp_path: Path) -> None:
    program = Program(name="web", command=("serve",), environment={"KEY": "very secret"})

    _configuration(tmp_path, program)

    assert "very secret" not in (tmp_path / "run" / "supervisord.conf").read_text(encoding="utf-8")
