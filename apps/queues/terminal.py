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
