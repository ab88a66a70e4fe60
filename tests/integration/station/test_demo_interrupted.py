"""A Ctrl-C in the middle of the demo, as a terminal sends it: to the whole process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from apps.station.local.instance import PROJECT
from apps.station.local.processes import is_alive

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

STARTED = "the tables of the database"
START_SECONDS, END_SECONDS = 200, 120


def await_text(path: Path, text: str, demo: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while text not in path.read_text(encoding="utf-8"):
        assert demo.poll() is None, path.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, path.read_text(encoding="utf-8")
        time.sleep(0.05)


def test_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with shown.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "apps.station.demo"],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await_text(shown, STARTED, demo)
        started = psutil.Process(demo.pid).children(recursive=True)

        os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(END_SECONDS)
    finally:
        demo.kill()
        demo.wait()

    assert code == 128 + signal.SIGINT
    assert "Interrupted; everything that was started is stopped." in shown.read_text("utf-8")
    assert "Traceback" not in shown.read_text("utf-8")
    assert len(started) > 3
    assert not [one for one in started if is_alive(one)]
