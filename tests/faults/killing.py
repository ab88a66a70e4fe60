"""The station's Celery application, with a worker that dies at a named point.

The station's own code knows nothing of it: its functions are wrapped here, in a process of a fault
run. A file per death (made with O_EXCL) counts them over all processes.
"""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

POINTS = ("after_slot", "after_claim", "after_seal", "after_call", "inside_settle", "after_settle")

if TYPE_CHECKING:
    from collections.abc import Callable


def die() -> None:
    """Ends this process at once, unless it was done often enough before."""
    folder = Path(os.environ["FAULT_FOLDER"])
    for number in range(int(os.environ["FAULT_TIMES"])):
        try:
            os.close(os.open(folder / str(number), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def _dying(function: Callable[..., Any], *, before: bool = False) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            die()
        result = function(*args, **kwargs)
        if not before and result is not None:
            die()
        return result

    return wrapped


def _dying_inside(settle: Callable[..., Any]) -> Callable[..., Any]:
    """Dies when the statement has run and its transaction has not been committed."""
    from django.db import transaction

    @functools.wraps(settle)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            settle(*args, **kwargs)
            die()

    return wrapped


def _dying_after_settle(settle: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(settle)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        settle(*args, **kwargs)
        die()

    return wrapped


def arm(point: str) -> None:
    """Wraps the functions of `apps.mail.sending` so that the worker dies at `point`."""
    from apps.mail import sending
    from apps.mail.resend import ResendClient

    wraps: dict[str, tuple[Any, str, Callable[..., Any]]] = {
        "after_slot": (sending, "claim_batch", functools.partial(_dying, before=True)),
        "after_claim": (sending, "claim_batch", _dying),
        "after_seal": (sending, "seal", _dying),
        "after_call": (ResendClient, "send_batch", _dying),
        "inside_settle": (sending, "settle", _dying_inside),
        "after_settle": (sending, "settle", _dying_after_settle),
    }
    where, name, wrap = wraps[point]
    setattr(where, name, wrap(getattr(where, name)))


if "FAULT_POINT" in os.environ:
    from celery.signals import worker_process_init

    from config.celery import app  # noqa: F401 - what `celery -A` looks for

    @worker_process_init.connect
    def _arm(**_: Any) -> None:
        arm(os.environ["FAULT_POINT"])
