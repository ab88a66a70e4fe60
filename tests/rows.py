"""The rows that fault runs and benchmarks leave: figure, goal, machine."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure. `goal` says what must hold in words; a figure without a goal only informs."""

    name: str
    value: float
    unit: str
    goal: str = ""
    ok: bool = True


def machine() -> str:
    """What a figure depends on: processor kind, cores, Python."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def add_to(path: Path, run: str, rows: list[Row], **facts: object) -> None:
    """Appends the rows to a JSON list, each with the run's name, its facts and the machine."""
    kept = json.loads(path.read_text()) if path.exists() else []
    kept += [{"run": run, **asdict(row), **facts, "machine": machine()} for row in rows]
    path.write_text(json.dumps(kept, indent=1) + "\n")


def print_table(title: str, rows: list[Row]) -> None:
    print(f"\n{title}")
    width = max(len(row.name) for row in rows)
    for row in rows:
        mark = "" if not row.goal else ("ok " if row.ok else "RED")
        goal = f"   {mark} {row.goal}" if row.goal else ""
        print(f"  {row.name:<{width}}  {row.value:>12,.10g} {row.unit}{goal}")
