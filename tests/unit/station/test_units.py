"""The systemd recipes stay in step with the Procfile."""

from __future__ import annotations

import shutil
import subprocess
from configparser import RawConfigParser
from typing import TYPE_CHECKING

import pytest

from apps.station.local import procfile
from apps.station.local.instance import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

UNITS = PROJECT / "deploy" / "systemd"
QUIET = ("web", "beat", "flower")


def lines(name: str) -> list[tuple[str, str]]:
    """(name, value) of each setting; a name may come more than once."""
    text = (UNITS / name).read_text(encoding="utf-8")
    pairs = (line.partition("=") for line in text.splitlines() if line[:1].isalpha())
    return [(key, value) for key, _, value in pairs]


def service(name: str) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign] # as its documentation says
    parser.read(UNITS / name, encoding="utf-8")
    return dict(parser["Service"])


def test_target_wants_every_program_of_the_procfile() -> None:
    names = [one.name for one in procfile.programs({"PORT": "1", "FLUX_VAR_DIR": "/"})]

    wanted = [value for key, value in lines("flux-station.target") if key == "Wants"]

    templates = {name: "station" if name in QUIET else "worker" for name in names}
    assert wanted == [f"flux-{templates[name]}@{name}.service" for name in names]


@pytest.mark.parametrize("unit", ["flux-station@.service", "flux-worker@.service"])
def test_programs_are_started_again_always_and_politely_ended(unit: str) -> None:
    settings = service(unit)

    assert settings["Restart"] == "always"
    assert ("StartLimitIntervalSec", "0") in lines(unit)
    # To the first process alone: a prefork worker loses its tasks if its children are told.
    assert settings["KillMode"] == "mixed"
    assert settings["ExecStart"].endswith("-m apps.station.local program %i")


def test_people_go_before_workers() -> None:
    web, workers = service("flux-station@.service"), service("flux-worker@.service")

    assert int(web["CPUWeight"]) >= 10 * int(workers["CPUWeight"])


def test_workers_get_as_long_to_end_as_under_our_own_manager() -> None:
    (worker,) = procfile.only({"PORT": "1", "FLUX_VAR_DIR": "/"}, "worker-batch-email")

    assert int(service("flux-worker@.service")["TimeoutStopSec"]) == worker.stop_seconds


def test_silent_workers_are_killed() -> None:
    settings = service("flux-worker@.service")

    assert (settings["Type"], settings["NotifyAccess"]) == ("notify", "main")
    assert int(settings["WatchdogSec"]) > 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8").replace(
            "/opt/flux-station/.venv/bin/python", "/bin/sh"
        )
        (tmp_path / unit.name).write_text(text, encoding="utf-8")

    done = subprocess.run(  # noqa: S603 - our own files
        ["systemd-analyze", "verify", *sorted(str(one) for one in tmp_path.iterdir())],  # noqa: S607 - found by which
        capture_output=True,
        text=True,
        check=False,
    )

    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert complaints == []
