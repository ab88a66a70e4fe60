"""Contacts in bulk, from a CSV file: `/contacts/imports`. It adds and never takes away."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from apps.sandbox.resend.addresses import bare
from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.contacts import segment_ids, topic_choices
from apps.sandbox.resend.errors import Answer, invalid, invalid_uuid, missing_field, not_found
from apps.sandbox.resend.pages import is_uuid, page, rest_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_FILE_BYTES = 50_000_000
CONFLICTS = ("upsert", "skip")
COUNTED = ("created", "updated", "skipped", "failed")
DEFAULT_PAGE = 20
_PLAIN = ("email", "first_name", "last_name", "unsubscribed")


@dataclass(slots=True)
class ContactImport:
    id: str
    created_at: float
    status: str = "queued"
    completed_at: float | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        done = None if self.completed_at is None else rest_time(self.completed_at)
        told: dict[str, Any] = {"object": "contact_import", "id": self.id, "status": self.status}
        told |= {"created_at": rest_time(self.created_at), "completed_at": done}
        if done is None:
            return told
        counts = {name: self.counts[name] for name in COUNTED}
        return {**told, "counts": {"total": sum(counts.values()), **counts}}


class Imports:
    """The imports of one account, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, ContactImport] = {}

    def __iter__(self) -> Iterator[ContactImport]:
        """The newest first."""
        return reversed(self._by_id.values())

    def add(self, *, created_at: float) -> ContactImport:
        started = ContactImport(str(uuid4()), created_at)
        self._by_id[started.id] = started
        return started

    def find(self, import_id: str) -> ContactImport:
        if not is_uuid(import_id):
            raise invalid_uuid()
        if import_id not in self._by_id:
            raise not_found("Contact import")
        return self._by_id[import_id]


@dataclass(frozen=True, slots=True)
class _Order:
    """What a checked request asks for."""

    rows: list[dict[str, str]]
    columns: Mapping[str, str]
    updates: bool
    segments: list[str]
    topics: dict[str, str]


def create_import(call: Call) -> Answer:
    """Take the file; its contacts are there `import_seconds` later."""
    order = _order(call)
    started = call.account.imports.add(created_at=call.epoch)
    call.later(call.settings.import_seconds, _importing(call, started, order))
    return json_answer({"object": "contact_import", "id": started.id}, status=201)


def get_import(call: Call) -> Answer:
    return json_answer(call.account.imports.find(call.parameter).summary())


def list_imports(call: Call) -> Answer:
    imports = list(call.account.imports)
    return page(
        call.request.query, imports, present=ContactImport.summary, default_limit=DEFAULT_PAGE
    )


def _order(call: Call) -> _Order:
    parts = _parts(call)
    if not parts.get("file"):
        raise missing_field("`file`")
    if len(parts["file"]) > MAX_FILE_BYTES:
        raise invalid("The file must not be larger than 50 MB")
    rows = list(csv.DictReader(io.StringIO(parts["file"].decode("utf-8-sig", "replace"))))
    columns = _column_map(_json(parts, "column_map"), rows)
    conflict = parts.get("on_conflict", b"skip").decode()
    if conflict not in CONFLICTS:
        raise invalid(f"Invalid `on_conflict` field. It needs to be one of {', '.join(CONFLICTS)}")
    return _Order(
        rows=rows,
        columns=columns,
        updates=conflict == "upsert",
        segments=segment_ids(call, _json(parts, "segments")),
        topics=topic_choices(call, _json(parts, "topics")),
    )


def _parts(call: Call) -> dict[str, bytes]:
    """The fields of a multipart form, by name."""
    kind = call.request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise invalid("The request body needs to be multipart/form-data")
    head = f"content-type: {kind}\r\n\r\n".encode("latin-1")
    form = BytesParser(policy=HTTP).parsebytes(head + call.request.body)
    found = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found


def _json(parts: Mapping[str, bytes], name: str) -> Any:
    if name not in parts:
        return None
    try:
        return orjson.loads(parts[name])
    except orjson.JSONDecodeError as error:
        raise invalid(f"Invalid `{name}` field. It needs to be JSON") from error


def _column_map(given: object, rows: list[dict[str, str]]) -> Mapping[str, str]:
    """The file's column of each field of a contact; by their own names where none is given."""
    present = set(rows[0]) if rows else set()
    if given is None:
        return {name: name for name in _PLAIN if name in present}
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given.values()):
        raise invalid("Invalid `column_map` field. It needs to be an object of column names")
    if missing := [name for name in given.values() if rows and name not in present]:
        raise invalid(f"Invalid `column_map` field. The file has no column {missing[0]!r}")
    return given


def _importing(call: Call, started: ContactImport, order: _Order) -> Callable[[], None]:
    def run() -> None:
        for row in order.rows:
            started.counts[_import_row(call, row, order)] += 1
        started.status, started.completed_at = (
            "completed",
            call.epoch + call.settings.import_seconds,
        )

    return run


def _import_row(call: Call, row: Mapping[str, str], order: _Order) -> str:
    """What became of the row: one of `COUNTED`."""
    given = {name: row.get(column) or "" for name, column in order.columns.items()}
    email = bare(given.pop("email", ""))
    if email is None:
        return "failed"
    contact = call.account.contacts.at(email)
    outcome = "created" if contact is None else "updated"
    if contact is not None and not order.updates:
        return "skipped"
    contact = contact or call.account.contacts.add(email, created_at=call.epoch)
    for name, value in given.items():
        if name == "unsubscribed":
            contact.unsubscribed = value.strip().lower() == "true"
        elif name in _PLAIN:
            setattr(contact, name, value or None)
        else:
            contact.properties[name] = value
    contact.topics.update(order.topics)
    for segment_id in order.segments:
        contact.segments.setdefault(segment_id, call.epoch)
    return outcome
