"""An append-only file of JSON lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Journal:
    """Appends whole lines with one `write` per call, straight to the kernel.

    Nothing is buffered in the process: what was written survives the process being killed, and a
    reader never sees half of a call's lines in a regular file opened for appending.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, records: Iterable[object]) -> None:
        lines = b"".join([orjson.dumps(record, option=_LINE) for record in records])
        written = os.write(self._descriptor, lines)
        while written < len(lines):  # only a full disk or a signal splits a write to a file
            written += os.write(self._descriptor, lines[written:])

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def read_page(path: Path, *, offset: int, limit: int) -> tuple[list[bytes], int]:
    """At most `limit` whole lines from byte `offset` on, and the offset behind the last one."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        file.seek(offset)
        while len(lines) < limit and (line := file.readline()).endswith(b"\n"):
            lines.append(line)
            offset += len(line)
    return lines, offset


_LINE = orjson.OPT_APPEND_NEWLINE
