"""`make test`: the suite in two runs, each side by side in processes with servers of their own.

Tests that commit empty every table behind them, rows that migrations made included, so that they
come last in a single process. Side by side they cannot be kept in order by file: they get a run of
their own. JOBS says how many processes (0: this one alone); arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOTHING_CHOSEN = int(pytest.ExitCode.NO_TESTS_COLLECTED)
RUNS = ("not commits", "commits")


def run(marked: str, arguments: list[str]) -> int:
    jobs = os.environ.get("JOBS") or str((os.cpu_count() or 1) + 1)
    command = [sys.executable, "-m", "pytest", "-n", jobs, "--dist", "loadfile"]
    command += ["--no-loadscope-reorder", "-m", marked, *arguments]
    return subprocess.call(command)  # noqa: S603 - ourselves


def main() -> int:
    codes = [run(marked, sys.argv[1:]) for marked in RUNS]
    failed = [code for code in codes if code not in {0, NOTHING_CHOSEN}]
    return failed[0] if failed else min(codes)


if __name__ == "__main__":
    sys.exit(main())
