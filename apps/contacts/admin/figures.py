"""The figures of an import, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.contacts.importing.people import Fault
from apps.contacts.importing.reading import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.contacts.models import FileUpload

_FAULTS = {
    Fault.EMAIL_MISSING: "no address",
    Fault.EMAIL_INVALID: "no valid address",
    Fault.DUPLICATE: "the same address as a row before",
    Fault.ERASED: "erased people, who must not come back",
    Fault.TOO_LONG: "something too long",
    Fault.LOCALE: "an unknown language",
    Fault.TIMEZONE: "an unknown time zone",
    Fault.TOO_MANY_CELLS: "more cells than columns",
    Fault.QUOTE: "a quote that is not closed",
    Fault.ENCODING: "broken characters",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """`rejected` is the sum of `faults`, which are told in words."""

    rows_read: int
    short_rows: int
    created: int
    updated: int
    unchanged: int
    opted_in: int
    unsubscribed_kept: int
    suppressed: int
    rejected: int
    faults: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @property
    def changes_anything(self) -> bool:
        return bool(self.created or self.updated or self.opted_in)

    def in_short(self) -> str:
        parts = ((self.created, "new"), (self.updated, "updated"), (self.unchanged, "unchanged"))
        told = [f"{number:,} {word}" for number, word in parts if number]
        rejected = [f"{self.rejected:,} rejected"] if self.rejected else []
        return ", ".join(told + rejected)


def figures_of(saved: Mapping[str, Any] | None) -> Figures | None:
    """What a preview or an import left in the row."""
    if not saved:
        return None
    rejected: Mapping[str, int] = saved.get("rejected", {})
    faults = tuple((_FAULTS[Fault(fault)], number) for fault, number in rejected.items())
    plain = {
        name: saved.get(name, 0)
        for name in Figures.__dataclass_fields__
        if name not in {"rejected", "faults", "notes"}
    }
    return Figures(
        **plain,
        rejected=sum(rejected.values()),
        faults=faults,
        notes=tuple(saved.get("notes", ())),
    )


def percent(upload: FileUpload) -> int | None:
    """How much of the file is read; None while nobody can tell how long it takes."""
    if upload.phase != Phase.READING:
        return None
    return min(100, 100 * upload.bytes_done // max(1, upload.file_bytes))
