"""What happened to a person, newest first: of this room and of all others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.urls import reverse

from apps.contacts.models import ConsentKind, ConsentRecord, FileImport, FileUpload
from apps.contacts.suppressing import history
from apps.contacts.traces import Moment, moments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from apps.contacts.models import Contact, Suppression

RECORDS_SHOWN = 200
_IMPORT = re.compile(r"import (\d+)")
_TONES = {
    ConsentKind.SUBSCRIBED: "good",
    ConsentKind.CONFIRMED: "good",
    ConsentKind.TOPIC_OPT_IN: "good",
    ConsentKind.UNSUBSCRIBED: "bad",
    ConsentKind.TOPIC_OPT_OUT: "bad",
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """`is_cut` where there is more than is shown."""

    moments: list[Moment] = field(default_factory=list)
    is_cut: bool = False


def timeline(contact: Contact, suppressions: Sequence[Suppression]) -> Timeline:
    """Constant queries: the records, the files imported, and what each other room takes."""
    records = list(
        ConsentRecord.objects.filter(contact=contact)
        .select_related("topic")
        .order_by("-pk")[: RECORDS_SHOWN + 1]
    )
    shown = records[:RECORDS_SHOWN]
    files = _files(shown)
    moments = [_of_record(one, files) for one in shown]
    moments += [moment for one in suppressions for moment in _of_suppression(one)]
    moments.append(Moment(contact.created_at, "came to be known"))
    moments += moments_of(contact, most=RECORDS_SHOWN)
    moments.sort(key=lambda one: one.at, reverse=True)
    is_cut = len(records) > RECORDS_SHOWN or len(moments) > RECORDS_SHOWN
    return Timeline(moments[:RECORDS_SHOWN], is_cut=is_cut)


def suppressions_of(contact: Contact) -> list[Suppression]:
    """Those that concern the contact's brand, active and lifted."""
    return [one for one in history(contact.address) if one.brand_id in {None, contact.brand_id}]


def _of_record(record: ConsentRecord, files: dict[int, tuple[str, str]]) -> Moment:
    found = _IMPORT.fullmatch(record.detail)
    name, link = files.get(int(found[1]), ("", "")) if found else ("", "")
    topic = f": {record.topic.name}" if record.topic else ""
    facts = _told(
        ("by", record.get_source_display()),
        ("file" if name else "detail", name or record.detail),
        ("told", record.text_shown),
        ("from", record.ip or ""),
    )
    kind = ConsentKind(record.kind)
    return Moment(
        record.occurred_at,
        f"{kind.label}{topic}",
        facts,
        _TONES.get(kind, ""),
        link,
    )


def _of_suppression(one: Suppression) -> Iterator[Moment]:
    where = f"for {one.brand.name}" if one.brand else "for all brands"
    reason = one.get_reason_display()
    begun = _told(("by", one.get_origin_display()), ("detail", one.detail))
    yield Moment(one.created_at, f"suppressed {where}: {reason}", begun, "bad")
    if one.lifted_at:
        lifted = _told(("by", one.lifted_by), ("because", one.lift_note))
        yield Moment(one.lifted_at, f"suppression lifted: {reason}", lifted, "good")


def _told(*facts: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((word, text) for word, text in facts if text)


def _files(records: Sequence[ConsentRecord]) -> dict[int, tuple[str, str]]:
    """The names of imported files, and the pages of those uploaded, by the import's id."""
    details = [_IMPORT.fullmatch(one.detail) for one in records]
    ids = {int(one[1]) for one in details if one}
    if not ids:
        return {}
    names = dict(FileImport.objects.filter(pk__in=ids).values_list("pk", "file_name"))
    uploads = dict(
        FileUpload.objects.filter(file_import__in=ids).values_list("file_import_id", "pk")
    )
    return {
        pk: (name, _upload_link(uploads[pk]) if pk in uploads else "") for pk, name in names.items()
    }


def _upload_link(upload_id: int) -> str:
    return reverse("admin:contacts_fileupload_change", args=[upload_id])
