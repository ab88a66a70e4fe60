"""The process: how it starts, says that it is ready, and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apps.sandbox.handle import ResendSandbox, SandboxError
from tests.integration.sandbox.talking import DOMAIN, KEY, send

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "apps.sandbox"]
STARTER = """
import sys, time
from pathlib import Path
from apps.sandbox.handle import ResendSandbox
sandbox = ResendSandbox(Path(sys.argv[1]), accounts={"main": "re_main"})
sandbox.start()
print(sandbox.pid, flush=True)
time.sleep(60)
"""


def make(directory: Path, **settings: Any) -> ResendSandbox:
    return ResendSandbox(directory, accounts={"main": KEY}, domains=[DOMAIN], **settings)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own module
        [*COMMAND, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_with_whole_logs(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "accepted.jsonl"
    arguments = ["--account", "main:re_main", "--domain", DOMAIN, "--log", str(log)]
    with started(
        [*COMMAND, "resend", *arguments, "--port-file", str(tmp_path / "port")]
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        port = (tmp_path / "port").read_text().strip()
        sandbox = ResendSandbox(tmp_path, accounts={}, port=int(port))
        send(sandbox)

        process.send_signal(number)

        assert process.wait(10) == 0
        assert ready == f"resend sandbox ready on http://127.0.0.1:{port}\n"
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert len(list(sandbox.accepted())) == len(list(sandbox.requests())) == 1


def test_killed_sandbox_has_logged_what_it_accepted(tmp_path: Path) -> None:
    sandbox = make(tmp_path)
    with sandbox:
        replies = [send(sandbox).json["id"] for _ in range(3)]
        os.kill(sandbox.pid, signal.SIGKILL)

    assert [message.id for message in sandbox.accepted()] == replies


def test_restarted_sandbox_keeps_its_port_and_continues_its_log(tmp_path: Path) -> None:
    sandbox = make(tmp_path)
    with sandbox:
        url = sandbox.url
        send(sandbox)

    with sandbox:
        send(sandbox)

    assert sandbox.url == url
    assert len(list(sandbox.accepted())) == 2


def test_sandbox_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    with started([sys.executable, "-c", STARTER, str(tmp_path)]) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert not ended(pid)

        starter.kill()
        deadline = time.monotonic() + 10
        while not ended(pid) and time.monotonic() < deadline:
            time.sleep(0.02)

    assert ended(pid)


def test_settings_of_the_start_are_used(tmp_path: Path) -> None:
    settings = {
        "rate_limit": 7,
        "faults": {"garbage": 0.25},
        "fault_script": {3: "503"},
        "webhooks": False,
        "daily_quota": None,
    }
    with make(tmp_path, **settings) as sandbox:
        found = sandbox.configure()

    assert {name: found[name] for name in settings} == {**settings, "fault_script": {"3": "503"}}


def test_account_can_have_its_own_setting_at_the_start(tmp_path: Path) -> None:
    sandbox = ResendSandbox(
        tmp_path,
        accounts={"main": KEY, "other": "re_other"},
        domains=[f"other={DOMAIN}:pending"],
        rate_limit="other=3",
    )
    with sandbox:
        accounts = sandbox.configure()["accounts"]

    assert accounts["main"] == {"settings": {}, "domains": {}}
    assert accounts["other"] == {"settings": {"rate_limit": "3"}, "domains": {DOMAIN: "pending"}}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "usage: python -m apps.sandbox {lime | resend}"),
        (["smtp"], "usage: python -m apps.sandbox {lime | resend}"),
        (["resend"], "the following arguments are required: --log, --account"),
        (["resend", "--account", "main"], "expected NAME:KEY[:ACCESS], found 'main'"),
        (["resend", "--account", "a:re_a", "--latency-ms", "x"], "latency_ms: expected a number"),
        (["resend", "--account", "a:re_a", "--domain", "x:good"], "domain: expected NAME[:STATUS]"),
    ],
)
def test_bad_command_line_is_refused(tmp_path: Path, arguments: list[str], expected: str) -> None:
    log = [] if len(arguments) < 2 else ["--log", str(tmp_path / "log")]

    done = run(*arguments, *log)

    assert done.returncode == 2
    assert expected in done.stderr


def test_help_names_every_setting() -> None:
    done = run("resend", "--help")

    assert done.returncode == 0
    assert "--webhook-retry-scale" in done.stdout


def test_start_that_fails_says_so(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="exit code 2 while starting"):
        make(tmp_path, latency_ms="slow").start()


def test_handle_without_a_process_says_so(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="not running"):
        _ = make(tmp_path).pid
