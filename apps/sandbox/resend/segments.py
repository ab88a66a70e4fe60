"""Segments, who is in them, and the segments of a contact: one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.contacts import (
    DEFAULT_PAGE,
    Contact,
    find_contact,
    segment_ids,
)
from apps.sandbox.resend.errors import (
    Answer,
    endpoint_not_found,
    invalid,
    invalid_uuid,
    missing_field,
    not_found,
)
from apps.sandbox.resend.pages import is_uuid, page, rest_time

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Segment:
    id: str
    name: str
    created_at: float

    def summary(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "created_at": rest_time(self.created_at)}


class Segments:
    """The segments of one account, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Segment] = {}

    def __contains__(self, segment_id: object) -> bool:
        return segment_id in self._by_id

    def __iter__(self) -> Iterator[Segment]:
        """The newest first."""
        return reversed(self._by_id.values())

    def add(self, name: str, *, created_at: float) -> Segment:
        segment = Segment(str(uuid4()), name, created_at)
        self._by_id[segment.id] = segment
        return segment

    def find(self, segment_id: str) -> Segment:
        if not is_uuid(segment_id):
            raise invalid_uuid()
        if segment_id not in self._by_id:
            raise not_found("Segment")
        return self._by_id[segment_id]

    def remove(self, segment: Segment) -> None:
        del self._by_id[segment.id]


def create_segment(call: Call) -> Answer:
    name = call.json_object().get("name")
    if not name:
        raise missing_field("`name`")
    if not isinstance(name, str):
        raise invalid("Invalid `name` field. It needs to be a string")
    segment = call.account.segments.add(name, created_at=call.epoch)
    return json_answer({"object": "segment", "id": segment.id, "name": name}, status=201)


def list_segments(call: Call) -> Answer:
    segments = list(call.account.segments)
    return page(call.request.query, segments, present=Segment.summary, default_limit=None)


def get_segment(call: Call) -> Answer:
    segment = call.account.segments.find(call.parameter)
    return json_answer({"object": "segment", **segment.summary()})


def delete_segment(call: Call) -> Answer:
    """Who was in it stays, as a contact."""
    segment = call.account.segments.find(call.parameter)
    call.account.segments.remove(segment)
    for contact in call.account.contacts:
        contact.segments.pop(segment.id, None)
    return json_answer({"object": "segment", "id": segment.id, "deleted": True})


def list_members(call: Call) -> Answer:
    """The contacts of a segment."""
    segment = call.account.segments.find(call.parameter)
    members = [contact for contact in call.account.contacts if segment.id in contact.segments]
    return page(call.request.query, members, present=Contact.summary, default_limit=DEFAULT_PAGE)


def list_of_contact(call: Call) -> Answer:
    contact = find_contact(call)
    segments = [call.account.segments.find(segment_id) for segment_id in contact.segments]
    return page(call.request.query, segments, present=Segment.summary, default_limit=None)


def add_to_segment(call: Call) -> Answer:
    """Adding somebody who is in already changes nothing."""
    contact, segment = find_contact(call), call.account.segments.find(call.parameters[1])
    contact.segments.setdefault(segment.id, call.epoch)
    return json_answer({"object": "contact_segment", "id": segment.id})


def remove_from_segment(call: Call) -> Answer:
    """Somebody who is not in it cannot be removed: 404."""
    contact, segment = find_contact(call), call.account.segments.find(call.parameters[1])
    if contact.segments.pop(segment.id, None) is None:
        raise not_found("Segment of the contact")
    return json_answer({"object": "contact_segment", "id": segment.id, "deleted": True})


def set_segments(call: Call) -> Answer:
    """The call that the provider does not have yet: in these segments and in no others."""
    if not call.settings.segment_set:
        raise endpoint_not_found()
    contact, body = find_contact(call), call.json_object()
    if not isinstance(body.get("segments"), list):
        raise missing_field("`segments`")
    wanted = segment_ids(call, body["segments"])
    if len(set(wanted)) != len(wanted):
        raise invalid("Invalid `segments` field. A segment is given twice")
    contact.segments = {
        segment_id: contact.segments.get(segment_id, call.epoch) for segment_id in wanted
    }
    return json_answer({"object": "contact", "id": contact.id})
