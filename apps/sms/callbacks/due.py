"""What of callbacks and replies is due, for the sweeper: index look-ups with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterable

_CALLBACKS = "SELECT EXISTS (SELECT 1 FROM sms_limecallback WHERE state = 'waiting')"
_REPLIES = """
SELECT EXISTS (SELECT 1 FROM sms_textreply
               WHERE state IN ('waiting', 'calling') AND due_at <= statement_timestamp())
"""


def due_callbacks() -> Iterable[Due]:
    return [Due(TaskName.APPLY_CALLBACKS, 1, {})] if _any(_CALLBACKS) else []


def due_replies() -> Iterable[Due]:
    return [Due(TaskName.SEND_REPLIES, 1, {})] if _any(_REPLIES) else []


def _any(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return bool(cursor.fetchone()[0])
