"""An export into a file, which goes on where it stopped.

Beside the unfinished file lies a mark: what was asked, the columns, how many bytes are good and
after which contact to go on. It is written after the lines it speaks of are on the disk, so that
whatever ends the process, the next one cuts off what is doubtful and goes on.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from apps.contacts.errors import FileRefusedError
from apps.contacts.exporting.rows import BYTE_ORDER_MARK, Layout, lay_out, read_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from apps.contacts.models import ContactQuerySet


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far it is, by contact ids, which tells a share without counting."""

    rows: int
    first_id: int
    at_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class _Mark:
    question: Mapping[str, Any]
    traits: list[str]
    more_traits: bool
    first_id: int
    until_id: int
    after_id: int
    rows: int
    bytes: int


def export_to_file(
    *,
    contacts: ContactQuerySet,
    question: Mapping[str, Any],
    path: Path,
    restart: bool = False,
    on_progress: Callable[[ExportProgress], None] = lambda _: None,
) -> int:
    """Writes the contacts to `path`; returns how many. Those who join meanwhile are left out.

    `question` says what was asked for: an unfinished export of another question is not gone on
    with. Raises FileRefusedError where the file is there already, or cannot be written.
    """
    if path.exists():
        raise FileRefusedError(f"{path} exists: name another file, or move it away.")
    partial, mark_path = _beside(path, "partial"), _beside(path, "partial.json")
    if restart:
        mark_path.unlink(missing_ok=True)
    try:
        mark = _read_mark(mark_path, question) or _begin(contacts, question, partial, mark_path)
        rows = _write(contacts, mark, partial, mark_path, on_progress)
        partial.replace(path)
        mark_path.unlink()
    except OSError as error:
        raise FileRefusedError(f"{path} cannot be written: {error.strerror}.") from error
    return rows


def goes_on_at(path: Path, question: Mapping[str, Any]) -> int | None:
    """How many rows an unfinished export has; None where there is none."""
    mark = _read_mark(_beside(path, "partial.json"), question)
    return mark.rows if mark else None


def _begin(
    contacts: ContactQuerySet, question: Mapping[str, Any], partial: Path, mark_path: Path
) -> _Mark:
    first = contacts.order_by("pk").values_list("pk", flat=True).first() or 0
    last = contacts.order_by("-pk").values_list("pk", flat=True).first() or 0
    layout = lay_out(contacts)
    partial.unlink(missing_ok=True)
    # Only its owner may read what holds a million addresses.
    partial.touch(mode=0o600)
    header = (BYTE_ORDER_MARK + layout.header()).encode()
    with partial.open("wb") as target:
        target.write(header)
        _sync(target)
    mark = _Mark(
        dict(question), list(layout.traits), layout.more_traits, first, last, 0, 0, len(header)
    )
    _save_mark(mark_path, mark)
    return mark


def _write(
    contacts: ContactQuerySet,
    mark: _Mark,
    partial: Path,
    mark_path: Path,
    on_progress: Callable[[ExportProgress], None],
) -> int:
    layout = Layout(tuple(mark.traits), mark.more_traits)
    kept = contacts.filter(pk__lte=mark.until_id)
    rows, size = mark.rows, mark.bytes
    on_progress(ExportProgress(rows, mark.first_id, mark.after_id, mark.until_id))
    with partial.open("r+b") as target:
        target.truncate(size)
        target.seek(size)
        for page in read_pages(kept, layout, after_id=mark.after_id):
            lines = page.text.encode()
            target.write(lines)
            _sync(target)
            rows, size = rows + page.rows, size + len(lines)
            _save_mark(
                mark_path,
                _Mark(**{**asdict(mark), "after_id": page.last_id, "rows": rows, "bytes": size}),
            )
            on_progress(ExportProgress(rows, mark.first_id, page.last_id, mark.until_id))
    return rows


def _read_mark(mark_path: Path, question: Mapping[str, Any]) -> _Mark | None:
    try:
        mark = _Mark(**json.loads(mark_path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    if mark.question != dict(question):
        raise FileRefusedError(
            f"{mark_path} belongs to an unfinished export with other filters: finish that one, "
            "name another file, or begin anew with --restart."
        )
    return mark


def _save_mark(mark_path: Path, mark: _Mark) -> None:
    fresh = mark_path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(mark)), encoding="utf-8")
    fresh.replace(mark_path)


def _sync(target: BinaryIO) -> None:
    target.flush()
    os.fsync(target.fileno())


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{ending}")
