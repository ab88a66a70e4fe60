"""BullMQ and undici on the station's own broker and stand-in: what a queue in Node does.

Its packages are installed below `var/` at the first run, where node and npm are present.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.cpu_time import cpu_seconds

if TYPE_CHECKING:
    from tests.texting import TextingStation

_SOURCES = Path(__file__).parent / "bullmq"
_INSTALLED = Path(__file__).resolve().parents[2] / "var" / "bullmq"
_LATENCY_S = 0.2
_DEADLINE_S = 180.0


@dataclass(frozen=True)
class PeerFigures:
    """`rate` in texts a second, from the first request to the last answer; spans in seconds."""

    rate: float
    cpu_per_thousand: float
    enqueue_s: float


def measure(
    running: TextingStation, *, texts: int, processes: int, in_flight: int
) -> PeerFigures | None:
    """None where node is not present."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    _install(npm)
    valkey = running.station.valkey.server
    environment = {"PATH": os.environ["PATH"], "PASSWORD": valkey.password}
    running.lime.reset()
    added = subprocess.run(  # noqa: S603 - our own script
        [node, "enqueue.js", str(valkey.port), str(texts)],
        cwd=_INSTALLED, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    command = [node, "worker.js", str(valkey.port), str(in_flight // processes), running.lime.url]
    broker = running.station.pids("valkey")
    before = cpu_seconds(broker)
    workers = [
        subprocess.Popen([*command, *running.lime_credentials], cwd=_INSTALLED, env=environment)  # noqa: S603 - ours
        for _ in range(processes)
    ]
    try:
        _await_accepted(running, texts)
        cpu = cpu_seconds([worker.pid for worker in workers]) + cpu_seconds(broker) - before
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    times = [text.t for text in running.lime.accepted()]
    return PeerFigures(
        rate=texts / (max(times) - min(times) + _LATENCY_S),
        cpu_per_thousand=cpu / (texts / 1000),
        enqueue_s=float(json.loads(added.stdout)["enqueue"]),
    )


def _install(npm: str) -> None:
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    for source in _SOURCES.iterdir():
        shutil.copy(source, _INSTALLED / source.name)
    wanted = (_SOURCES / "package.json").read_bytes()
    stamp = _INSTALLED / "installed.json"
    if not stamp.exists() or stamp.read_bytes() != wanted:
        subprocess.run(  # noqa: S603 - pinned packages, no scripts
            [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=_INSTALLED, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        stamp.write_bytes(wanted)


def _await_accepted(running: TextingStation, texts: int) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while running.lime.stats().accepted < texts:
        if time.monotonic() > deadline:
            raise TimeoutError(f"BullMQ sent {running.lime.stats().accepted} of {texts}")
        time.sleep(0.1)
    time.sleep(_LATENCY_S)
