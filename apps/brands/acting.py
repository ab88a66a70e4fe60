"""Who is at work: told to the database connection, so that the audit log can name them.

A connection opened by a command or a worker is introduced as theirs; a request that may change
something sets its own actor before and takes it back after, for the connection outlives it.
"""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.http import HttpRequest, HttpResponse

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ACTOR_LIMIT = 150
_SET = "SELECT set_config('station.actor', %s, false)"
_KNOWN = "_station_actor"


def user_actor(user: AbstractBaseUser | AnonymousUser) -> str:
    """`user:5 anna`: as the audit log and the rows' own "by whom" columns name an operator."""
    return f"user:{user.pk} {user.get_username()}"


def act(actor: str) -> None:
    """Changes made on this thread's connection are from now on this actor's ("" = nobody's)."""
    if getattr(connection, _KNOWN, None) == actor:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SET, [actor[:ACTOR_LIMIT]])
    # Inside a transaction the setting may yet be rolled back: then nothing is known for sure.
    setattr(connection, _KNOWN, None if connection.in_atomic_block else actor)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """For work done later on somebody's behalf, such as an import that an operator started."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('station.actor', true)")
        before = cursor.fetchone()[0] or ""
    act(actor)
    try:
        yield
    finally:
        rest(before)


def rest(actor: str = "") -> None:
    """Takes the actor back; a broken connection or transaction is given up with its setting."""
    if connection.connection is None:
        return
    try:
        act(actor)
    except DatabaseError:
        setattr(connection, _KNOWN, None)
        if not connection.in_atomic_block:
            connection.close()


class ActorMiddleware:
    """Names the operator to the database while an unsafe request is answered.

    A GET changes nothing and costs no statement, and neither does what strangers post, such as
    webhooks. Requests with an API key are named by the key's authentication; their actor is taken
    back here too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return self._get_response(request)
        if request.user.is_authenticated:
            act(user_actor(request.user))
        try:
            return self._get_response(request)
        finally:
            rest(process_actor(sys.argv))


def process_actor(arguments: Sequence[str]) -> str:
    """What a process does by itself: `command:campaign anna` for `manage.py campaign`, else ""."""
    program = Path(arguments[0]).name if arguments else ""
    if program == "celery":
        return "worker"
    if program not in {"manage.py", "django-admin"} or len(arguments) < 2:  # noqa: PLR2004
        return ""
    return f"command:{arguments[1]} {_system_user()}".rstrip()


def introduce(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """A receiver of `connection_created`: a new session knows nothing of an actor yet."""
    actor = process_actor(sys.argv)
    setattr(connection, _KNOWN, "")
    if actor:
        with connection.cursor() as cursor:
            cursor.execute(_SET, [actor[:ACTOR_LIMIT]])
        setattr(connection, _KNOWN, actor)


def act_as_task(task: Any = None, **_signal: Any) -> None:
    """A receiver of `task_prerun`: one statement when another task comes than the last one."""
    try:
        act(f"task:{task.name}")
    except DatabaseError:  # the task will meet it too, and the base task judges it there
        setattr(connection, _KNOWN, None)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return ""
