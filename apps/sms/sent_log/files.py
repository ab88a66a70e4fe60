"""The files of an archived month: rows as compressed CSV, and beside them what must be in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard
from django.conf import settings

from apps.queues.partitions import partition_name
from apps.sms.errors import SmsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

TABLE = "sms_senttext"
BLOCK_BYTES = 1 << 20


class ArchiveError(SmsError):
    """A file is missing, or is not what its note says. Nothing was dropped or restored."""


@dataclass(frozen=True)
class ArchiveNote:
    """What `<partition>.json` says of `<partition>.csv.zst`; the digest is of the file's bytes."""

    partition: str
    columns: tuple[str, ...]
    rows: int
    sha256: str
    bytes: int


def folder() -> Path:
    return Path(settings.SENT_LOG_ARCHIVE_DIR)


def rows_path(partition: str) -> Path:
    return folder() / f"{partition}.csv.zst"


def note_path(partition: str) -> Path:
    return folder() / f"{partition}.json"


def month_of(partition: str) -> str:
    """`2026-05` of `sms_senttext_2026_05`."""
    return partition.removeprefix(f"{TABLE}_").replace("_", "-")


def partition_of(month: date) -> str:
    return partition_name(TABLE, month)


def write_note(note: ArchiveNote) -> None:
    _replace(note_path(note.partition), json.dumps(asdict(note), indent=1).encode() + b"\n")


def read_note(partition: str) -> ArchiveNote:
    """Raises `ArchiveError`."""
    try:
        values: dict[str, Any] = json.loads(note_path(partition).read_text())
        return ArchiveNote(**{**values, "columns": tuple(values["columns"])})
    except FileNotFoundError:
        raise ArchiveError(f"{month_of(partition)} is not archived in {folder()}.") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{note_path(partition)} cannot be read: {error}") from None


def notes() -> list[ArchiveNote]:
    """Of all archived months, oldest first."""
    return [read_note(path.stem) for path in sorted(folder().glob(f"{TABLE}_*.json"))]


def check(note: ArchiveNote) -> None:
    """Reads the whole file anew. Raises `ArchiveError` where digest or number of rows differ."""
    path = rows_path(note.partition)
    try:
        digest = _digest(path)
        rows = sum(1 for _ in records(note.partition)) - 1
    except (OSError, zstandard.ZstdError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    if digest != note.sha256:
        raise ArchiveError(f"{path} has the SHA-256 {digest}; its note says {note.sha256}.")
    if rows != note.rows:
        raise ArchiveError(f"{path} holds {rows} rows; its note says {note.rows}.")


def blocks(partition: str) -> Iterator[bytes]:
    """The CSV, the header first."""
    with rows_path(partition).open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file)
        while block := reader.read(BLOCK_BYTES):
            yield block


def records(partition: str) -> Iterator[list[str]]:
    """The CSV's records, the header first: a field may hold line feeds."""
    with rows_path(partition).open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file)
        yield from csv.reader(io.TextIOWrapper(reader, encoding="utf-8", newline=""))


class RowsFile:
    """Writes the CSV under another name and puts it in its place when it is whole and on disk."""

    def __init__(self, partition: str) -> None:
        self._final = rows_path(partition)
        self._path = self._final.with_suffix(".part")
        self._file = self._path.open("wb")
        self._digest = hashlib.sha256()
        self._compressor = zstandard.ZstdCompressor(level=6).compressobj()

    def write(self, block: bytes) -> None:
        self._put(self._compressor.compress(block))

    def _put(self, packed: bytes) -> None:
        self._digest.update(packed)
        self._file.write(packed)

    def close(self) -> tuple[str, int]:
        """The file's SHA-256 and its size."""
        self._put(self._compressor.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        self._path.replace(self._final)
        _keep_name(self._final)
        return self._digest.hexdigest(), size


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _keep_name(path)


def _keep_name(path: Path) -> None:
    """A new name is on disk only once its folder is."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
