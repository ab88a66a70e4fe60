"""The terminal of a management command."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def open_console(stream: Any, **options: Any) -> Console:
    """A rich console on a command's `self.stdout`.

    Django's wrapper ends every write with a new line, which tears a live bar apart: the stream
    behind it does not.
    """
    return Console(file=getattr(stream, "_out", stream), **options)


def ago(seconds: float | None) -> str:
    """A span back from now in its largest unit; empty where it never was."""
    if seconds is None:
        return ""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
