"""Wake-ups that no worker can carry out end as dead letters, and never end a worker."""

from __future__ import annotations

from typing import Any

from apps.queues import dead_letters
from apps.queues.names import Queue

# An argument longer than this is no id; it is cut, not kept.
LONGEST_ARGUMENT = 200


def keep_unknown_task(*, name: str, message: Any) -> int:
    """Records a wake-up whose task is not known here; returns the dead letter's id."""
    body = message.payload if isinstance(message.payload, list) else []
    kwargs = body[1] if len(body) > 1 and isinstance(body[1], dict) else {}
    routing_key = (message.delivery_info or {}).get("routing_key")
    queue = Queue(routing_key) if routing_key in set(Queue) else Queue.CONTROL
    return dead_letters.record(
        queue=queue,
        task=name[:100],
        reason="unknown_task",
        error="No worker of this version knows the task.",
        payload={str(key): _cut(value) for key, value in kwargs.items()},
    )


def _cut(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | None) else str(value)[:LONGEST_ARGUMENT]
