"""Calls about contacts, their segments and topics: one request per method, never repeated here."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote

import orjson
import resend
from resend import request

from apps.mail.resend.answers import AnswerMismatchError, RateLimit
from apps.mail.resend.judging import run
from apps.mail.resend.sdk_bridge import SdkCall
from apps.mail.resend.verdicts import contact_verdict, set_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from resend.contacts._contact_topic import TopicSubscriptionUpdate
    from resend.contacts._contacts import CreateParamsSegment, CreateParamsTopic

    from apps.mail.resend.verdicts import Judge
    from apps.queues.outbound import Answer, Transport

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
MEMBERS_PAGE = 100
MAX_IMPORT_BYTES = 50_000_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """What a call came to, and what the answer said beside it."""

    value: T_co
    status: int
    rate: RateLimit = field(repr=False)
    latency_ms: float


@dataclass(frozen=True, slots=True)
class NewContact:
    """All that the create call carries. `topics` are opt_in or opt_out by the provider's id."""

    email: str = field(repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    segments: tuple[str, ...] = ()
    topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    id: str
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MembersPage:
    members: tuple[Member, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """`counts`: total, created, updated, skipped, failed; empty while it is under way."""

    id: str
    status: str
    """queued, in_progress, completed or failed."""
    counts: Mapping[str, int]


class ContactCalls:
    """`contact` is the provider's id or an address. `leave_by` is the slot's, as in sends.

    Every failure is a `ResendFailure` whose class says what to do; a timeout is `Ambiguous`, as
    the change may have been made. Adding twice does no harm; removing twice is `ContactUnknown`.
    """

    def __init__(self, transport: Transport, authorization: str) -> None:
        self._transport = transport
        self._authorization = authorization

    def create(self, new: NewContact, *, leave_by: float | None = None) -> Reply[str]:
        """A new contact with its segments and topics, in one call; its id."""
        params: resend.Contacts.CreateParams = {"email": new.email, "unsubscribed": False}
        if new.first_name:
            params["first_name"] = new.first_name
        if new.last_name:
            params["last_name"] = new.last_name
        if new.segments:
            params["segments"] = [_segment(segment_id) for segment_id in new.segments]
        if new.topics:
            params["topics"] = cast("list[CreateParamsTopic]", _choices(new.topics))
        return self._run("create_contact", leave_by, lambda: resend.Contacts.create(params), _id_of)

    def segments(self, contact: str, *, leave_by: float | None = None) -> Reply[tuple[str, ...]]:
        """The ids of all segments the contact is in."""
        params: Any = _named(contact, "contact_id")
        return self._run(
            "list_segments", leave_by, lambda: resend.Contacts.Segments.list(params), _ids_of
        )

    def add_segment(
        self, contact: str, segment_id: str, *, leave_by: float | None = None
    ) -> Reply[None]:
        params: Any = {**_named(contact, "contact_id"), "segment_id": _checked(segment_id)}
        return self._run(
            "add_segment", leave_by, lambda: resend.Contacts.Segments.add(params), _nothing
        )

    def remove_segment(
        self, contact: str, segment_id: str, *, leave_by: float | None = None
    ) -> Reply[None]:
        params: Any = {**_named(contact, "contact_id"), "segment_id": _checked(segment_id)}
        return self._run(
            "remove_segment", leave_by, lambda: resend.Contacts.Segments.remove(params), _nothing
        )

    def set_segments(
        self, contact: str, segment_ids: Iterable[str], *, leave_by: float | None = None
    ) -> Reply[None]:
        """The call of the future: exactly these segments, each once. May be `CallNotOffered`.

        The SDK does not have it either, so it is put together from the SDK's own request.
        """
        segments = [_segment(segment_id) for segment_id in dict.fromkeys(segment_ids)]
        path = f"/contacts/{_in_path(contact)}/segments"

        def ask() -> object:
            asked = request.Request[Any](path=path, params={"segments": segments}, verb="put")
            return asked.perform_with_content()

        return self._run("set_segments", leave_by, ask, _nothing, set_verdict)

    def delete(self, contact: str, *, leave_by: float | None = None) -> Reply[None]:
        """The contact and all that the provider keeps of it; `ContactUnknown` where it is gone."""
        named = _named(contact, "id")
        return self._run(
            "delete_contact", leave_by, lambda: resend.Contacts.remove(**named), _nothing
        )

    def set_unsubscribed(
        self, contact: str, *, unsubscribed: bool, leave_by: float | None = None
    ) -> Reply[None]:
        params: Any = {**_named(contact, "id"), "unsubscribed": unsubscribed}
        return self._run(
            "update_contact", leave_by, lambda: resend.Contacts.update(params), _nothing
        )

    def update_topics(
        self, contact: str, choices: Mapping[str, str], *, leave_by: float | None = None
    ) -> Reply[None]:
        """`choices`: opt_in or opt_out by the provider's id of the topic; at least one."""
        topics = cast("list[TopicSubscriptionUpdate]", _choices(choices))
        params: Any = {**_named(contact, "id"), "topics": topics}
        return self._run(
            "update_topics", leave_by, lambda: resend.Contacts.Topics.update(params), _nothing
        )

    def create_segment(self, name: str, *, leave_by: float | None = None) -> Reply[str]:
        """A new segment of the account; its id."""
        params: resend.Segments.CreateParams = {"name": name}
        return self._run("create_segment", leave_by, lambda: resend.Segments.create(params), _id_of)

    def members(
        self, segment_id: str, *, after: str = "", leave_by: float | None = None
    ) -> Reply[MembersPage]:
        """The contacts of a segment, 100 at a time."""
        page: resend.Contacts.ListParams = {"limit": MEMBERS_PAGE}
        if after:
            page["after"] = _checked(after)
        known = _checked(segment_id)
        return self._run(
            "list_members",
            leave_by,
            lambda: resend.Contacts.list(segment_id=known, params=page),
            _members_of,
        )

    def start_import(
        self,
        csv_file: bytes,
        *,
        column_map: Mapping[str, str],
        segments: Collection[str] = (),
        leave_by: float | None = None,
    ) -> Reply[str]:
        """Hands in a CSV file of contacts, up to 50 MB; the id to ask for its status by.

        It adds and updates, and takes nobody out of a segment.
        """
        if len(csv_file) > MAX_IMPORT_BYTES:
            raise ValueError(f"csv_file has {len(csv_file)} bytes; at most {MAX_IMPORT_BYTES}")
        fields = {"column_map": orjson.dumps(dict(column_map)), "on_conflict": b"upsert"}
        if segments:
            fields["segments"] = orjson.dumps([_segment(one) for one in segments])
        boundary = secrets.token_hex(16)
        call = self._call(leave_by)
        call.body = _multipart(boundary, fields, csv_file)
        call.content_type = f"multipart/form-data; boundary={boundary}"
        # The SDK's own form is built of the file alone; what is posted is the body above.
        ask = lambda: resend.Contacts.Imports.create({"file": csv_file})  # noqa: E731
        return run("import_contacts", call, ask, _reply(_id_of), contact_verdict)

    def import_status(
        self, import_id: str, *, leave_by: float | None = None
    ) -> Reply[ImportStatus]:
        known = _checked(import_id)
        return self._run(
            "import_status", leave_by, lambda: resend.Contacts.Imports.get(known), _status_of
        )

    def _run(
        self,
        operation: str,
        leave_by: float | None,
        ask: Callable[[], object],
        read: Callable[[Mapping[str, Any]], T],
        judge: Judge = contact_verdict,
    ) -> Reply[T]:
        return run(operation, self._call(leave_by), ask, _reply(read), judge)

    def _call(self, leave_by: float | None) -> SdkCall:
        return SdkCall(self._transport, self._authorization, leave_by=leave_by)


def _reply(read: Callable[[Mapping[str, Any]], T]) -> Callable[[Answer, object], Reply[T]]:
    def reply(answer: Answer, found: object) -> Reply[T]:
        if not isinstance(found, dict):
            raise AnswerMismatchError("unreadable")
        rate = RateLimit.from_headers(answer.headers)
        return Reply(read(found), answer.status, rate, answer.latency_ms)

    return reply


def _nothing(_: Mapping[str, Any]) -> None:
    return None


def _id_of(found: Mapping[str, Any]) -> str:
    if not isinstance(found.get("id"), str) or not _ID.fullmatch(found["id"]):
        raise AnswerMismatchError("unreadable")
    return str(found["id"])


def _items(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = found.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnswerMismatchError("unreadable")
    return items


def _ids_of(found: Mapping[str, Any]) -> tuple[str, ...]:
    """A list that is cut off would make us remove too little: then it is no answer."""
    if found.get("has_more"):
        raise AnswerMismatchError("unreadable")
    return tuple(_id_of(item) for item in _items(found))


def _members_of(found: Mapping[str, Any]) -> MembersPage:
    members = tuple(Member(_id_of(item), str(item.get("email", ""))) for item in _items(found))
    return MembersPage(members, bool(found.get("has_more")) and bool(members))


def _status_of(found: Mapping[str, Any]) -> ImportStatus:
    counts = found.get("counts") or {}
    if not isinstance(counts, dict) or not isinstance(found.get("status"), str):
        raise AnswerMismatchError("unreadable")
    numbers = {str(name): number for name, number in counts.items() if isinstance(number, int)}
    return ImportStatus(_id_of(found), found["status"], numbers)


def _checked(provider_id: str) -> str:
    if not _ID.fullmatch(provider_id):
        raise ValueError("a provider's id must be 1 to 128 letters, digits, - and _")
    return provider_id


def _segment(segment_id: str) -> CreateParamsSegment:
    return {"id": _checked(segment_id)}


def _choices(choices: Mapping[str, str]) -> list[dict[str, str]]:
    if not choices:
        raise ValueError("choices must name at least one topic")
    return [
        {"id": _checked(topic_id), "subscription": subscription}
        for topic_id, subscription in sorted(choices.items())
    ]


def _named(contact: str, id_field: str) -> dict[str, str]:
    """How the SDK is told whom a call is about."""
    if _ADDRESS.fullmatch(contact):
        return {"email": contact}
    return {id_field: _checked(contact)}


def _in_path(contact: str) -> str:
    return quote(next(iter(_named(contact, "id").values())), safe="")


def _multipart(boundary: str, fields: Mapping[str, bytes], csv_file: bytes) -> bytes:
    """A form of JSON fields and one file. None of them can hold the boundary, which is random."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + value
        + b"\r\n"
        for name, value in fields.items()
    ]
    head = 'form-data; name="file"; filename="contacts.csv"\r\nContent-Type: text/csv'
    parts.append(f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode())
    return b"".join([*parts, csv_file, f"\r\n--{boundary}--\r\n".encode()])
