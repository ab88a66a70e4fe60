"""The metrics of a host without a web process, from the command that serves them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

from apps.station.local.instance import PROJECT


def test_command_serves_the_metrics_on_loopback_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "manage.py", "serve_metrics", "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip().removeprefix("metrics: ")
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - loopback
            text = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert address.startswith("http://127.0.0.1:")
    assert "# TYPE flux_queue_length gauge" in text or "flux_queue_unknown" in text
    assert code == 0
