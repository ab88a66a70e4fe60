"""Rows out of lines: quoted cells, line breaks inside them, and quotes that never end."""

from __future__ import annotations

import csv
from collections import deque
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.contacts.importing.lines import Line

QUOTED_LINES_LIMIT = 1000
# The csv module's own limit for one cell (csv.field_size_limit).
QUOTED_CHARACTERS_LIMIT = 131_072


class Record(NamedTuple):
    """`line` counts from 1 and is where the row begins, `start` its offset in the file.

    `is_broken`: a quote is opened and not closed as it must be. Such a row ends with its first
    line, and reading goes on with the next, so that one stray quote costs one row.
    """

    line: int
    start: int
    size_bytes: int
    cells: list[str]
    line_count: int = 1
    is_broken: bool = False

    @property
    def end(self) -> int:
        return self.start + self.size_bytes

    @property
    def next_line(self) -> int:
        return self.line + self.line_count


class _TooLongError(Exception):
    """A quoted cell does not end within the limits."""


class _Feed:
    """Lines for the csv module; remembers what one row took, so that it can be given back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._given_back: deque[Line] = deque()
        self._characters = 0
        self.taken: list[Line] = []

    def begin(self, first: Line) -> None:
        """A new row begins with `first`."""
        self._given_back.appendleft(first)
        self._characters = 0
        self.taken = []

    def give_back(self, lines: list[Line]) -> None:
        self._given_back.extendleft(reversed(lines))

    def each(self) -> Iterator[Line]:
        """The first lines of rows: those given back, then new ones."""
        while True:
            while self._given_back:
                yield self._given_back.popleft()
            for line in self._lines:
                yield line
                if self._given_back:
                    break
            else:
                return

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self.taken.append(line)
        self._characters += len(line.text)
        if len(self.taken) > QUOTED_LINES_LIMIT or self._characters > QUOTED_CHARACTERS_LIMIT:
            raise _TooLongError
        return line.text


def read_records(
    lines: Iterator[Line], *, delimiter: str, start: int, line: int
) -> Iterator[Record]:
    """Rows as they stand, empty lines included (their cells are all empty).

    `start` and `line` are where the first of `lines` stands in the file.
    """
    feed = _Feed(lines)
    quoted = csv.reader(feed, delimiter=delimiter, strict=True)
    for first in feed.each():
        text, size = first
        if '"' in text:
            feed.begin(first)
            record = _quoted_record(quoted, feed, line, start, delimiter)
        else:
            # Without a quote a row is its line, and splitting is all there is to it.
            record = Record(line, start, size, text.rstrip("\r\n").split(delimiter))
        yield record
        line, start = line + record.line_count, start + record.size_bytes


def parse_cells(text: str, *, delimiter: str) -> list[str]:
    """The cells of one row; of a broken one as far as they can be told apart."""
    try:
        return next(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return _lenient_cells(text, delimiter)


def _lenient_cells(text: str, delimiter: str) -> list[str]:
    line = text.rstrip("\r\n").replace("\r", " ").replace("\n", " ")
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a cell beyond the module's limit
        return line.split(delimiter)


def _quoted_record(
    quoted: Iterator[list[str]], feed: _Feed, line: int, start: int, delimiter: str
) -> Record:
    try:
        cells = next(quoted)
    except (csv.Error, _TooLongError):
        first, *others = feed.taken
        feed.give_back(others)
        cells = _lenient_cells(first.text, delimiter)
        return Record(line, start, first.size_bytes, cells, is_broken=True)
    size = sum(one.size_bytes for one in feed.taken)
    return Record(line, start, size, cells, line_count=len(feed.taken))
