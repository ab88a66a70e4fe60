"""Wake-ups that no worker can carry out end as dead letters, and never end a worker for good."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded
from django.db import DatabaseError, close_old_connections

from apps.queues import dead_letters
from apps.queues.correlation import bind_correlation_id
from apps.queues.enqueueing import CORRELATION_HEADER, DEATHS_HEADER, publish
from apps.queues.names import Queue
from apps.queues.registry import QUEUES, TASK_QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

# A wake-up carries ids: a few hundred bytes with its headers.
LARGEST_WAKE_UP_BYTES = 64 * 1024
# An argument longer than this is no id; it is cut, not kept. Nor are there many of them.
LONGEST_ARGUMENT = 200
MOST_ARGUMENTS = 20
LONGEST_NAME = 60
# How often one wake-up may kill its worker: once or twice may be somebody else's fault.
MOST_DEATHS = 3


@dataclass(frozen=True)
class Problem:
    """What is wrong with a message; `reason` goes into the dead letter."""

    reason: str
    error: str


UNREADABLE = "unreadable"
TOO_LARGE = "too_large"
KILLED_ITS_WORKER = "killed_its_worker"
TIME_LIMIT = "time_limit"


def problem_of(item: bytes | str) -> Problem | None:
    """Why a raw message of the broker is no wake-up; None where it is one."""
    if len(item) > LARGEST_WAKE_UP_BYTES:
        return Problem(
            TOO_LARGE, f"The message has {len(item)} bytes; at most {LARGEST_WAKE_UP_BYTES}."
        )
    try:
        envelope = json.loads(item)
        return _envelope_problem(envelope)
    except (ValueError, RecursionError):
        return Problem(UNREADABLE, "The message is no JSON.")


def _envelope_problem(envelope: Any) -> Problem | None:
    match envelope:
        case {
            "body": str() as body,
            "content-type": "application/json",
            "headers": {"task": str()},
            "properties": {"delivery_tag": str(), "delivery_info": dict()} as properties,
        }:
            return _body_problem(body, properties.get("body_encoding"))
        case {"headers": {"task": str()}, "content-type": kind}:
            return Problem(UNREADABLE, f"The body is {str(kind)[:60]!r}; expected JSON.")
    return Problem(UNREADABLE, "The message has no envelope of a task.")


def _body_problem(body: str, encoding: object) -> Problem | None:
    try:
        raw = base64.b64decode(body, validate=True) if encoding == "base64" else body
        decoded = json.loads(raw)
    except (ValueError, RecursionError, binascii.Error):
        return Problem(UNREADABLE, "The body is no JSON.")
    match decoded:
        case [list(), dict(), dict() | None]:
            return None
    return Problem(UNREADABLE, "The body holds no arguments of a task.")


def keep_unreadable(*, queue: str, item: bytes | str, problem: Problem) -> None:
    """Records a message that is no wake-up. Never raises: the worker's loop must go on.

    The letter holds the message's size and, where it can be read, the name of its task.
    """
    close_old_connections()
    try:
        dead_letters.record(
            queue=known_queue(queue),
            task=_task_of(item),
            reason=problem.reason,
            error=problem.error,
            payload={"bytes": len(item)},
        )
    except DatabaseError as error:
        log.exception("poison_not_kept", queue=queue, reason=problem.reason,
                      error=type(error).__name__)  # fmt: skip


def _task_of(item: bytes | str) -> str:
    try:
        return storable(str(json.loads(item)["headers"]["task"]))[:100]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "unknown"


def keep_unknown_task(*, name: str, message: Any) -> int:
    """Records a wake-up whose task is not known here; returns the dead letter's id."""
    body = message.payload if isinstance(message.payload, list) else []
    kwargs = body[1] if len(body) > 1 and isinstance(body[1], dict) else {}
    routing_key = (message.delivery_info or {}).get("routing_key")
    return dead_letters.record(
        queue=known_queue(routing_key),
        task=storable(name)[:100],
        reason="unknown_task",
        error="No worker of this version knows the task.",
        payload=cut(kwargs),
    )


def note_death(
    *,
    task: str,
    queue: str,
    kwargs: Mapping[str, Any],
    headers: Mapping[str, Any],
    error: Exception,
) -> None:
    """A task ended its process, or was ended by its time limit: once more, or a dead letter.

    Called in the worker's first process, which lives on. The row behind the wake-up is due again
    by itself; here it is only decided whether this very call may go on killing workers.
    """
    correlation = bind_correlation_id(headers.get(CORRELATION_HEADER))
    deaths = 1 + _count(headers.get(DEATHS_HEADER))
    log.error("worker_lost", task=task, queue=queue, deaths=deaths, error=type(error).__name__)
    if deaths < MOST_DEATHS and task in TASK_QUEUES:
        # Where the broker is away as well, the sweeper calls anew, and counts from the beginning.
        publish(task, ids=kwargs, correlation=correlation, deaths=deaths)
        return
    close_old_connections()
    dead_letters.record(
        queue=known_queue(queue),
        task=storable(task)[:100],
        reason=TIME_LIMIT if isinstance(error, TimeLimitExceeded) else KILLED_ITS_WORKER,
        error=str(error),
        attempts=deaths,
        payload=cut(kwargs),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MOST_DEATHS else 0


def known_queue(name: object) -> str:
    """The queue's name where it is declared here, else that of the operators' own queue."""
    return name if isinstance(name, str) and name in QUEUES else Queue.CONTROL.value


def cut(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a dead letter keeps of a call's arguments: ids whole, anything else a short piece."""
    kept = list(arguments.items())[:MOST_ARGUMENTS]
    return {storable(str(name))[:LONGEST_NAME]: _cut_value(value) for name, value in kept}


def _cut_value(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return storable(str(value))[:LONGEST_ARGUMENT]


def storable(text: str) -> str:
    """Without what PostgreSQL refuses in a text: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
