"""Contacts, which are global to an account: `/contacts`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from apps.sandbox.resend.addresses import bare
from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.errors import (
    Answer,
    already_exists,
    invalid,
    invalid_uuid,
    missing_field,
    not_found,
)
from apps.sandbox.resend.pages import is_uuid, page, rest_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_PAGE = 20
SUBSCRIPTIONS = ("opt_in", "opt_out")


@dataclass(slots=True)
class Contact:
    id: str
    email: str
    created_at: float
    first_name: str | None = None
    last_name: str | None = None
    unsubscribed: bool = False
    properties: dict[str, Any] = field(default_factory=dict)
    segments: dict[str, float] = field(default_factory=dict)
    """When it was added to each, by the segment's id."""
    topics: dict[str, str] = field(default_factory=dict)
    """opt_in or opt_out by the topic's id; others are at the topic's default."""

    def summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "created_at": rest_time(self.created_at),
            "unsubscribed": self.unsubscribed,
        }


class Contacts:
    """The contacts of one account, by id and by address."""

    def __init__(self) -> None:
        self._by_id: dict[str, Contact] = {}
        self._ids: dict[str, str] = {}

    def __iter__(self) -> Iterator[Contact]:
        """The newest first."""
        return reversed(self._by_id.values())

    def add(self, email: str, *, created_at: float) -> Contact:
        contact = Contact(str(uuid4()), email, created_at)
        self._by_id[contact.id] = contact
        self._ids[email.lower()] = contact.id
        return contact

    def at(self, email: str) -> Contact | None:
        return self._by_id.get(self._ids.get(email.lower(), ""))

    def find(self, given: str) -> Contact:
        """By id or address, as in paths. Raises ApiError: 404, or 422 for what is neither."""
        if "@" not in given and not is_uuid(given):
            raise invalid_uuid()
        contact = self.at(given) if "@" in given else self._by_id.get(given)
        if contact is None:
            raise not_found("Contact")
        return contact

    def remove(self, contact: Contact) -> None:
        del self._by_id[contact.id]
        del self._ids[contact.email.lower()]


def find_contact(call: Call) -> Contact:
    """The contact that the path names, which the log of contact calls then names too."""
    contact = call.account.contacts.find(call.parameter)
    call.contact = contact
    return contact


def create_contact(call: Call) -> Answer:
    """One call for everything, segments and topics included. `contact_exists` decides the rest."""
    body = call.json_object()
    if not body.get("email"):
        raise missing_field("`email`")
    email = address(body["email"])
    segments, topics = segment_ids(call, body.get("segments")), topic_choices(call, body)
    found = call.account.contacts.at(email)
    if found is not None and call.settings.contact_exists == "refuse":
        raise already_exists("Contact")
    contact = found or call.account.contacts.add(email, created_at=call.epoch)
    call.contact = contact
    if found is None or call.settings.contact_exists == "update":
        change(contact, body)
        contact.topics.update(topics)
        contact.segments.update(dict.fromkeys(segments, call.epoch))
    return json_answer({"object": "contact", "id": contact.id}, status=201)


def list_contacts(call: Call) -> Answer:
    contacts = list(call.account.contacts)
    return page(call.request.query, contacts, present=Contact.summary, default_limit=DEFAULT_PAGE)


def get_contact(call: Call) -> Answer:
    contact = find_contact(call)
    properties = {name: {"value": value} for name, value in contact.properties.items()}
    return json_answer({"object": "contact", **contact.summary(), "properties": properties})


def update_contact(call: Call) -> Answer:
    """Has no segments: those change one at a time."""
    contact, body = find_contact(call), call.json_object()
    if "segments" in body:
        raise invalid("The `segments` field is not supported when updating a contact")
    change(contact, body)
    return json_answer({"object": "contact", "id": contact.id})


def delete_contact(call: Call) -> Answer:
    contact = find_contact(call)
    call.account.contacts.remove(contact)
    deleted = {"id": contact.id, "contact": contact.id, "deleted": True}
    return json_answer({"object": "contact", **deleted})


def change(contact: Contact, body: Mapping[str, Any]) -> None:
    """Take over the plain fields that are given, all or none."""
    names = {name: body[name] for name in ("first_name", "last_name") if name in body}
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid `{name}` field. It needs to be a string")
    if not isinstance(body.get("unsubscribed", False), bool):
        raise invalid("Invalid `unsubscribed` field. It needs to be true or false")
    if not isinstance(body.get("properties", {}), dict):
        raise invalid("Invalid `properties` field. It needs to be an object")
    for name, value in names.items():
        setattr(contact, name, value)
    contact.unsubscribed = body.get("unsubscribed", contact.unsubscribed)
    contact.properties.update(body.get("properties", {}))


def address(given: object) -> str:
    found = bare(given) if isinstance(given, str) else None
    if found is None or found != given:
        raise invalid("Invalid `email` field. It needs to be a plain email address")
    return found


def segment_ids(call: Call, given: object) -> list[str]:
    """Ids of known segments from `[{"id"}]`, as the SDK sends them, or `[id]`, as specified."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("Invalid `segments` field. It needs to be a list")
    found = [item.get("id") if isinstance(item, dict) else item for item in given]
    ids = [item for item in found if isinstance(item, str) and item in call.account.segments]
    if len(ids) != len(found):
        raise invalid("Invalid `segments` field. There is no such segment")
    return ids


def topic_choices(call: Call, body: object) -> dict[str, str]:
    """opt_in or opt_out by topic, from a bare list (SDK) or below `topics` (specification)."""
    given = body.get("topics") if isinstance(body, dict) else body
    if given is None:
        return {}
    if not isinstance(given, list):
        raise invalid("Invalid `topics` field. It needs to be a list")
    choices = {}
    for item in given:
        found = item if isinstance(item, dict) else {}
        if found.get("subscription") not in SUBSCRIPTIONS:
            raise invalid("Invalid `topics` field. Each needs an id, and opt_in or opt_out")
        if found.get("id") not in call.account.topics:
            raise invalid("Invalid `topics` field. There is no such topic")
        choices[str(found["id"])] = str(found["subscription"])
    return choices
