"""Start one program so that it cannot outlive whoever started it.

Run as a file by a bare interpreter (`python -I -S leash.py SPEC`), it reads the program from a
JSON file, becomes the right user, asks the kernel for a signal when its parent dies, and turns
into the program: same process id, same process group, nothing left in between.

The program comes from a file and not from the command line for two reasons: its environment holds
passwords, which everybody could read in a process list, and no path needs quoting on its way
through the process manager's configuration.

Keys of the JSON object: `command` (list), `environment` (the complete one, not additions),
`folder` (working directory), `death_signal` (name such as "TERM", or null), `user` ([uid, gid] or
null), `parent` (process id that must still be our parent, or null).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NOT_EXECUTABLE = 126
_ORPHANED = 125


def become(uid: int, gid: int) -> None:
    """Give up root for good: supplementary groups first, the user last."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def ask_for_death_signal(number: int) -> None:
    """Have the kernel send us `number` when our parent dies; other systems have no such thing.

    Must come after `become`: a change of the user clears it. Kept across exec, not across fork.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def is_orphaned(parent: int | None) -> bool:
    """Whether the parent died before the death signal was asked for."""
    return parent is not None and os.getppid() != parent


def turn_into(spec: dict[str, Any]) -> int:
    """Become the program of `spec`; returns an exit code only where that is not possible."""
    os.umask(0o077)  # logs and data are nobody else's business
    os.chdir(spec["folder"])
    if spec["user"] is not None:
        become(*spec["user"])
    if spec["death_signal"] is not None:
        ask_for_death_signal(signal.Signals[f"SIG{spec['death_signal']}"].value)
    if is_orphaned(spec["parent"]):
        return _ORPHANED
    try:
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - its purpose
    except OSError as error:
        print(f"cannot run {spec['command'][0]}: {error.strerror}", file=sys.stderr)
    return _NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(turn_into(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
