# ruff: noqa: S603 - starts programs that the tests name themselves
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apps.station.local import leash

if TYPE_CHECKING:
    from collections.abc import Callable

LEASH = Path(leash.__file__)


def _spec(folder: Path, **changes: Any) -> Path:
    path = folder / "spec.json"
    spec = {
        "command": [sys.executable, "-c", "pass"],
        "environment": {"PATH": os.defpath},
        "folder": str(folder),
        "death_signal": None,
        "user": None,
        "parent": None,
    }
    path.write_text(json.dumps({**spec, **changes}), encoding="utf-8")
    return path


def _run(spec: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(LEASH), str(spec)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        **options,
    )


def test_leash_turns_into_the_command_with_exactly_its_environment(tmp_path: Path) -> None:
    show = "import os; print(os.getcwd()); print(sorted(set(os.environ) - {'LC_CTYPE'}))"

    done = _run(_spec(tmp_path, command=[sys.executable, "-c", show], environment={"ONLY": "this"}))

    assert done.stdout.splitlines() == [str(tmp_path), "['ONLY']"]


def test_leash_hands_on_the_exit_code(tmp_path: Path) -> None:
    done = _run(_spec(tmp_path, command=["sh", "-c", "exit 7"]))

    assert done.returncode == 7


def test_leash_of_unknown_command_says_so(tmp_path: Path) -> None:
    done = _run(_spec(tmp_path, command=["no-such-command"]))

    assert done.returncode == 126
    assert "cannot run no-such-command" in done.stderr


def test_leash_of_an_orphan_does_not_start(tmp_path: Path) -> None:
    done = _run(_spec(tmp_path, command=["sh", "-c", "echo started"], parent=1))

    assert done.returncode == 125
    assert done.stdout == ""


def test_files_of_the_program_are_private(tmp_path: Path) -> None:
    _run(_spec(tmp_path, command=["sh", "-c", "echo address > made"]))

    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has no such signal")
def test_program_dies_with_its_parent(tmp_path: Path) -> None:
    spec = _spec(tmp_path, command=["sleep", "60"], death_signal="TERM")
    start = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-I', '-S', {str(LEASH)!r}, {str(spec)!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _await(lambda: _command_of(child).startswith("sleep"))

        parent.send_signal(signal.SIGKILL)

    _await(lambda: _command_of(child) == "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_user_without_any_group_of_root(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    spec = _spec(tmp_path, command=["sh", "-c", "id -u; id -G"], user=[65534, 65533])

    done = _run(spec, extra_groups=[0, 4])

    assert done.stdout.split() == ["65534", "65533"]


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.02)
