"""Cells that a spreadsheet would run as a formula, made harmless and whole again."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escape_formula(cell: str) -> str:
    """An apostrophe in front, which spreadsheets take as "this is text"."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Exactly what `escape_formula` was given."""
    return cell[1:] if _ESCAPED.match(cell) else cell
