"""What an import is going to do, known and shown before it does anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.contacts.errors import FileRefusedError, UnknownTopicError
from apps.contacts.importing.columns import ColumnPlan, plan_columns
from apps.contacts.importing.dialect import DELIMITERS
from apps.contacts.importing.heading import read_heading
from apps.contacts.importing.inspecting import Inspection, inspect
from apps.contacts.importing.lines import read_lines
from apps.contacts.importing.merging import OnConflict
from apps.contacts.importing.records import Record, read_records
from apps.contacts.models import ContactStatus, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Self

CONSENT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the operator decides.

    `consent` declares how these people agreed; it may be empty only where they are imported as
    `pending`. `columns` maps columns to fields (see `columns.plan_columns`).
    """

    consent: str = ""
    pending: bool = False
    on_conflict: OnConflict = OnConflict.FILL
    topics: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def status(self) -> ContactStatus:
        return ContactStatus.PENDING if self.pending else ContactStatus.SUBSCRIBED

    def as_json(self) -> dict[str, Any]:
        return {
            "consent": self.consent,
            "pending": self.pending,
            "on_conflict": self.on_conflict.value,
            "topics": sorted(self.topics),
            "columns": dict(self.columns),
            "skipped": sorted(self.skipped),
            "encoding": self.encoding,
            "delimiter": self.delimiter,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(
            consent=saved["consent"],
            pending=saved["pending"],
            on_conflict=OnConflict(saved["on_conflict"]),
            topics=tuple(saved["topics"]),
            columns=saved["columns"],
            skipped=tuple(saved["skipped"]),
            encoding=saved["encoding"],
            delimiter=saved["delimiter"],
        )

    def digest(self) -> str:
        """The same for the same decisions, so that an import that stopped is found again."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A file, how it is read and what becomes of it. People begin at `start`, on `line`."""

    path: Path
    brand_id: int
    options: ImportOptions
    topic_ids: tuple[int, ...]
    inspection: Inspection
    delimiter: str
    columns: ColumnPlan
    header: tuple[str, ...]
    start: int
    line: int
    changed_at_ns: int

    def notes(self) -> list[str]:
        """What the operator should look at before it runs."""
        encoding = f"encoding {self.inspection.encoding}: {self.inspection.note}"
        return ([encoding] if self.inspection.note else []) + self.columns.notes()

    def records(self, *, start: int, line: int) -> Iterator[Record]:
        lines = read_lines(self.path, encoding=self.inspection.encoding, offset=start)
        return read_records(lines, delimiter=self.delimiter, start=start, line=line)

    def refuse_change(self) -> None:
        """Raises FileRefusedError where the file is not what was looked at."""
        if _changed_at_ns(self.path) != self.changed_at_ns:
            raise FileRefusedError("The file changed while it was read: start the import again.")


def plan_import(*, path: Path, brand_id: int, options: ImportOptions) -> ImportPlan:
    """Looks at the whole file and reads its header; writes nothing.

    Raises FileRefusedError, or UnknownTopicError.
    """
    check_options(options)
    topic_ids = _topic_ids(brand_id, options.topics)
    changed_at_ns = _changed_at_ns(path)
    inspection = inspect(path, encoding=options.encoding)
    heading = read_heading(path, inspection, delimiter=options.delimiter)
    header = heading.header
    return ImportPlan(
        path=path,
        brand_id=brand_id,
        options=options,
        topic_ids=topic_ids,
        inspection=inspection,
        delimiter=heading.delimiter,
        columns=plan_columns(header.cells, chosen=options.columns, skipped=options.skipped),
        header=tuple(header.cells),
        start=header.end,
        line=header.next_line,
        changed_at_ns=changed_at_ns,
    )


def check_options(options: ImportOptions) -> None:
    """Raises FileRefusedError for decisions that no file could be imported with."""
    if not options.pending and not options.consent.strip():
        raise FileRefusedError(
            "Say how these people agreed to be mailed: --consent “signed up at the fair in May”. "
            "People who still have to confirm are imported with --pending."
        )
    if len(options.consent) > CONSENT_LIMIT:
        raise FileRefusedError(
            f"The consent text has {len(options.consent):,} characters, at most {CONSENT_LIMIT:,} "
            "are kept: shorten it."
        )
    if options.delimiter is not None and options.delimiter not in DELIMITERS:
        raise FileRefusedError(f"The delimiter must be one of: {', '.join(DELIMITERS.values())}.")


def _topic_ids(brand_id: int, slugs: tuple[str, ...]) -> tuple[int, ...]:
    found = dict(Topic.objects.of_brand(brand_id).filter(slug__in=slugs).values_list("slug", "pk"))
    missing = sorted(set(slugs) - set(found))
    if missing:
        raise UnknownTopicError(
            f"The brand has no topic {', '.join(missing)}: create it first, or correct the name."
        )
    return tuple(sorted(found.values()))


def _changed_at_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise FileRefusedError(f"The file cannot be read: {error.strerror}.") from error
