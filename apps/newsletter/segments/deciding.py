"""Which call comes next for a contact: decided anew before each, from the newest wish.

Nothing here asks the database or the provider.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.newsletter.segments.claiming import Claimed


class Operation(StrEnum):
    """The words of the log and of the metrics."""

    CREATE = "create"
    LIST = "list"
    ADD = "add"
    REMOVE = "remove"
    SET = "set"
    TOPICS = "topics"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Step:
    """One call.

    `segments` are those it is about: the one to add or remove, all there shall be, or those of a
    new contact.
    """

    operation: Operation
    segments: tuple[str, ...] = ()


class TargetNotManagedError(Exception):
    """The wished segment is no managed one: nobody could ever take the contact out of it again.

    A person has to mark it as managed, or correct the tier.
    """


def next_step(wish: Claimed, *, may_set: bool = False) -> Step | None:
    """The next call; None where all that was wished when it was claimed is done.

    A contact that joined is created with everything in one call. Somebody who is not there and
    wants no mail is not made known to the provider, and who was erased is deleted there.
    `may_set`: the provider has the call that sets all segments (Branch A). Raises
    `TargetNotManagedError`.
    """
    segments_wait = wish.version > wish.done_version
    topics_wait = wish.topics_version > wish.topics_done_version
    if wish.delete_as:
        return Step(Operation.DELETE)
    if wish.is_erased or not (segments_wait or topics_wait):
        return None
    if segments_wait and wish.target and wish.target not in wish.managed:
        raise TargetNotManagedError
    if not wish.is_there:
        return _first_step(wish)
    if segments_wait and (step := _segment_step(wish, may_set=may_set)):
        return step
    return _topics_step(wish) if topics_wait else None


def _first_step(wish: Claimed) -> Step | None:
    """Unless it just joined, the provider may have the contact from before."""
    if not (wish.listed or wish.is_new):
        return Step(Operation.LIST)
    if not wish.is_subscribed:
        return None
    return Step(Operation.CREATE, (wish.target,) if wish.target else ())


def _segment_step(wish: Claimed, *, may_set: bool) -> Step | None:
    if wish.known is None or not (wish.listed or wish.is_fresh):
        return Step(Operation.LIST)
    wrong = [one for one in wish.known if one in wish.managed and one != wish.target]
    is_missing = wish.target is not None and wish.target not in wish.known
    if not wrong and not is_missing:
        return None
    if may_set:
        return Step(Operation.SET, wanted_segments(wish))
    if wrong:
        return Step(Operation.REMOVE, (wrong[0],))
    return Step(Operation.ADD, (wish.target or "",))


def wanted_segments(wish: Claimed) -> tuple[str, ...]:
    """All segments the contact shall be in, each once: those we do not manage, and the target."""
    kept = [one for one in wish.known or () if one not in wish.managed]
    return tuple(dict.fromkeys([*kept, *([wish.target] if wish.target else [])]))


def _topics_step(wish: Claimed) -> Step | None:
    if wish.known_unsubscribed is not (not wish.is_subscribed):
        return Step(Operation.UPDATE)
    if wish.topics and dict(wish.known_topics or {}) != dict(wish.topics):
        return Step(Operation.TOPICS)
    return None


def after(wish: Claimed, step: Step, found: object) -> Claimed:
    """What is known once the call has succeeded; `found` is what it answered."""
    known = wish.known or ()
    changes: dict[str, Any] = {}
    match step.operation:
        case Operation.CREATE:
            changes = {
                "provider_contact_id": str(found),
                "known": step.segments,
                "is_fresh": True,
                "known_topics": wish.topics,
                "known_unsubscribed": False,
            }
        case Operation.LIST:
            changes = {"known": found if isinstance(found, tuple) else (), "listed": True}
        case Operation.ADD:
            changes = {"known": (*known, *step.segments)}
        case Operation.REMOVE:
            changes = {"known": tuple(one for one in known if one not in step.segments)}
        case Operation.SET:
            changes = {"known": step.segments}
        case Operation.TOPICS:
            changes = {"known_topics": wish.topics}
        case Operation.UPDATE:
            changes = {"known_unsubscribed": not wish.is_subscribed}
        case Operation.DELETE:
            return dataclasses.replace(forgotten(wish), delete_as="")
    return dataclasses.replace(wish, **changes)


def forgotten(wish: Claimed, *, listed: bool = False) -> Claimed:
    """What is known where a call showed that it was wrong, or may have changed it: nothing.

    With `listed` the provider has just said that there is no such contact.
    """
    return dataclasses.replace(
        wish,
        provider_contact_id="",
        known=None,
        is_fresh=False,
        known_topics=None,
        known_unsubscribed=None,
        listed=listed,
    )


def doubted(wish: Claimed) -> Claimed:
    """The same where the contact is surely there, and only its segments and topics in doubt."""
    return dataclasses.replace(forgotten(wish), provider_contact_id=wish.provider_contact_id)
