"""Which character parts the cells."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from apps.contacts.importing.columns import knows_as_email

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SAMPLE_ROWS = 100


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter by which the header has most columns and the rows agree with it best.

    A header that has a column for the address under one delimiter decides: prices with decimal
    commas or notes full of semicolons do not count then. One column alone is read as comma.
    """
    return max(DELIMITERS, key=lambda delimiter: _score(lines, delimiter))


def _score(lines: Sequence[str], delimiter: str) -> tuple[bool, float, int]:
    # Not strict: a sample may end in the middle of a quoted cell.
    rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), SAMPLE_ROWS) if row]
    if not rows or len(rows[0]) == 1:
        return False, 0.0, 0
    header, people = rows[0], rows[1:]
    agreeing = sum(1 for row in people if len(row) == len(header))
    share = agreeing / len(people) if people else 1.0
    return any(map(knows_as_email, header)), round(share, 1), len(header)
