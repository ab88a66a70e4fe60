from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from apps.newsletter.segments.claiming import Claimed
from apps.newsletter.segments.deciding import (
    Operation,
    Step,
    TargetNotManagedError,
    after,
    forgotten,
    next_step,
    wanted_segments,
)

WISH = Claimed(
    contact_id=1,
    account_id=1,
    fence=1,
    version=1,
    done_version=0,
    topics_version=0,
    topics_done_version=0,
    target="gold",
    score=60,
    mode="update",
    correlation_id="",
    provider_contact_id="",
    known=None,
    is_fresh=False,
    known_topics=None,
    known_unsubscribed=None,
    attempts=0,
    throttles=0,
    failing_seconds=0.0,
    listed=False,
    delete_as="",
    address="ada@example.org",
    first_name="Ada",
    last_name="",
    status="subscribed",
    is_erased=False,
    managed=frozenset({"gold", "silver", "bronze"}),
    topics={},
)


def wish(**changes: Any) -> Claimed:
    return dataclasses.replace(WISH, **changes)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Step(Operation.LIST)),
        ({"mode": "initial"}, Step(Operation.CREATE, ("gold",))),
        ({"mode": "initial", "target": None}, Step(Operation.CREATE)),
        ({"mode": "initial", "status": "pending"}, None),
        ({"listed": True}, Step(Operation.CREATE, ("gold",))),
        ({"listed": True, "status": "unsubscribed"}, None),
        ({"known": ("gold",), "is_fresh": True}, None),
        ({"known": ("gold",), "is_fresh": False}, Step(Operation.LIST)),
        ({"known": ("gold",), "listed": True}, None),
        ({"known": ("silver", "x"), "listed": True}, Step(Operation.REMOVE, ("silver",))),
        ({"known": ("x",), "listed": True}, Step(Operation.ADD, ("gold",))),
        ({"known": ("x",), "listed": True, "target": None}, None),
        (
            {"known": ("x", "gold"), "listed": True, "target": None},
            Step(Operation.REMOVE, ("gold",)),
        ),
        ({"done_version": 1, "known": ("silver",), "listed": True}, None),
        ({"is_erased": True, "mode": "initial"}, None),
        (
            {"done_version": 1, "topics_version": 1, "provider_contact_id": "c"},
            Step(Operation.UPDATE),
        ),
        (
            {
                "done_version": 1,
                "topics_version": 1,
                "provider_contact_id": "c",
                "known_unsubscribed": False,
                "topics": {"t": "opt_in"},
            },
            Step(Operation.TOPICS),
        ),
    ],
)
def test_next_call_follows_from_what_is_known(changes: dict[str, Any], step: Step | None) -> None:
    assert next_step(wish(**changes)) == step


def test_target_that_is_not_managed_is_refused_before_any_call() -> None:
    with pytest.raises(TargetNotManagedError):
        next_step(wish(target="friends", mode="initial"))


def test_steps_lead_to_the_target_and_end() -> None:
    now, taken = wish(), []
    while (step := next_step(now)) is not None:
        taken.append((step.operation.value, step.segments))
        now = after(now, step, ("friends", "silver", "bronze"))

    assert taken == [
        ("list", ()),
        ("remove", ("silver",)),
        ("remove", ("bronze",)),
        ("add", ("gold",)),
    ]
    assert now.known == ("friends", "gold")


def test_branch_a_is_one_call_with_each_segment_once() -> None:
    known = ("friends", "silver", "friends", "gold")
    here = wish(known=known, listed=True)

    assert next_step(here, may_set=True) == Step(Operation.SET, ("friends", "gold"))
    assert wanted_segments(dataclasses.replace(here, target=None)) == ("friends",)
    assert next_step(wish(known=("friends", "gold"), listed=True), may_set=True) is None


def test_nothing_is_known_of_a_contact_that_was_not_found() -> None:
    here = wish(provider_contact_id="c", known=("gold",), is_fresh=True)

    assert next_step(forgotten(here)) == Step(Operation.LIST)
    assert next_step(forgotten(here, listed=True)) == Step(Operation.CREATE, ("gold",))
