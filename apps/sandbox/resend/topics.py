"""Topics, and what a contact wants of them: all in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from apps.sandbox.resend.call import Call, json_answer
from apps.sandbox.resend.contacts import SUBSCRIPTIONS, find_contact, topic_choices
from apps.sandbox.resend.errors import Answer, invalid, missing_field
from apps.sandbox.resend.pages import page, rest_time

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Topic:
    id: str
    name: str
    default_subscription: str
    created_at: float

    def summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "default_subscription": self.default_subscription,
            "description": "",
            "created_at": rest_time(self.created_at),
        }


class Topics:
    """The topics of one account, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, Topic] = {}

    def __contains__(self, topic_id: object) -> bool:
        return topic_id in self._by_id

    def __iter__(self) -> Iterator[Topic]:
        """The newest first."""
        return reversed(self._by_id.values())

    def add(self, name: str, *, default: str, created_at: float) -> Topic:
        topic = Topic(str(uuid4()), name, default, created_at)
        self._by_id[topic.id] = topic
        return topic


def create_topic(call: Call) -> Answer:
    body = call.json_object()
    for field in ("name", "default_subscription"):
        if not body.get(field):
            raise missing_field(f"`{field}`")
    if not isinstance(body["name"], str) or body["default_subscription"] not in SUBSCRIPTIONS:
        raise invalid("A topic needs a name and a `default_subscription` of opt_in or opt_out")
    default = body["default_subscription"]
    topic = call.account.topics.add(body["name"], default=default, created_at=call.epoch)
    return json_answer({"object": "topic", "id": topic.id}, status=201)


def list_topics(call: Call) -> Answer:
    topics = list(call.account.topics)
    return page(call.request.query, topics, present=Topic.summary, default_limit=None)


def list_of_contact(call: Call) -> Answer:
    contact = find_contact(call)

    def present(topic: Topic) -> dict[str, Any]:
        chosen = contact.topics.get(topic.id, topic.default_subscription)
        named = {"id": topic.id, "name": topic.name, "description": ""}
        return {**named, "subscription": chosen}

    topics = list(call.account.topics)
    return page(call.request.query, topics, present=present, default_limit=None)


def update_of_contact(call: Call) -> Answer:
    contact = find_contact(call)
    contact.topics.update(topic_choices(call, call.json()))
    return json_answer({"object": "contact", "id": contact.id})
