"""The lines of a file from any offset on, with the bytes that each takes."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.inspecting import BLOCK_BYTES, LINE_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Line(NamedTuple):
    """One line with its line break, and its length in the file."""

    text: str
    size_bytes: int


def read_lines(path: Path, *, encoding: str, offset: int) -> Iterator[Line]:
    """Lines end in LF, CR LF or CR. Bytes without meaning become surrogates (PEP 383)."""
    if encoding.startswith("utf-16"):
        return _wide_lines(path, encoding, offset)
    return _narrow_lines(path, encoding, offset)


def _narrow_lines(path: Path, encoding: str, offset: int) -> Iterator[Line]:
    for raw in _split(_blocks(path, offset)):
        try:
            yield Line(raw.decode(encoding), len(raw))
        except UnicodeDecodeError:
            yield Line(raw.decode(encoding, "surrogateescape"), len(raw))


def _wide_lines(path: Path, encoding: str, offset: int) -> Iterator[Line]:
    as_utf8 = (text.encode() for text in codecs.iterdecode(_blocks(path, offset), encoding))
    for raw in _split(as_utf8):
        text = raw.decode()
        yield Line(text, len(text.encode(encoding)))


def _blocks(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(BLOCK_BYTES):
            yield block


def _split(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        lines = (rest + block).splitlines(keepends=True)
        # A last line may go on in the next block; so may a CR that an LF follows.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if len(rest) > LINE_LIMIT_BYTES:
            raise FileRefusedError(f"A line is longer than {LINE_LIMIT_BYTES:,} bytes.")
        yield from lines
    if rest:
        yield rest
