"""`make test`: the suite in two runs, the first of them side by side.

In the first are several processes, each with servers of its own and given file after file. In the
second is what keeps a pace by the clock and so must be alone. `tests.conftest` says which are which
and in which order. JOBS says how many processes; arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOTHING_CHOSEN = int(pytest.ExitCode.NO_TESTS_COLLECTED)


def run(*options: str) -> int:
    command = [sys.executable, "-m", "pytest", *options, *sys.argv[1:]]
    return subprocess.call(command)  # noqa: S603 - ourselves


def main() -> int:
    jobs = os.environ.get("JOBS") or str(os.cpu_count() or 1)
    side_by_side = ("-n", jobs, "--dist", "loadscope", "--no-loadscope-reorder")
    codes = [run("-m", "not alone", *side_by_side), run("-m", "alone")]
    failed = [code for code in codes if code not in {0, NOTHING_CHOSEN}]
    return failed[0] if failed else min(codes)


if __name__ == "__main__":
    sys.exit(main())
