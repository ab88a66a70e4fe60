"""The base of every task: correlation, one log line at the end, the one retry policy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from django.db import InterfaceError, OperationalError

from apps.queues import dead_letters
from apps.queues.correlation import bind_correlation_id, clear_correlation_id
from apps.queues.enqueueing import CORRELATION_HEADER
from apps.queues.names import Queue
from apps.queues.retrying import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

TASK_ATTEMPTS = 4
RETRY_BASE_SECONDS = 0.5
RETRY_CAP_SECONDS = 30.0

# The database is away: no fault of the work. The sweeper wakes it again when the rows are there.
DATABASE_AWAY = (OperationalError, InterfaceError)


class StationTask(Task):  # type: ignore[type-arg]
    """A wake-up call: find a service, call one method, return nothing.

    Errors, decided here for all tasks: wrong arguments are dead letters at once; a database that
    is away is left to the sweeper; anything else is tried `TASK_ATTEMPTS` times and then a dead
    letter with the arguments.
    """

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bind_correlation_id(self.request.get(CORRELATION_HEADER))
        started = time.perf_counter()
        outcome = "failed"
        try:
            result = self.run(*args, **kwargs)
            outcome = "done"
        except (Retry, Ignore, Reject):
            outcome = "deferred"
            raise
        except DATABASE_AWAY as error:
            outcome = "database_away"
            log.warning("database_away", task=self.name, error=type(error).__name__)
            raise Ignore from error
        except Exception as error:
            log.exception("task_raised", task=self.name)
            outcome = self._verdict(error)
            self._carry_out(outcome, error, kwargs)
        finally:
            log.info(
                "task_ended",
                task=self.name,
                queue=self._queue,
                attempt=self._attempt,
                attempts_left=max(0, TASK_ATTEMPTS - self._attempt),
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
                outcome=outcome,
            )
            clear_correlation_id()
        return result

    @property
    def _attempt(self) -> int:
        return int(self.request.retries or 0) + 1

    @property
    def _queue(self) -> str:
        return str((self.request.delivery_info or {}).get("routing_key") or "")

    def _verdict(self, error: Exception) -> str:
        if _is_call_mismatch(error):
            return "wrong_arguments"
        return "retried" if self._attempt < TASK_ATTEMPTS else "attempts_spent"

    def _carry_out(self, verdict: str, error: Exception, kwargs: Mapping[str, Any]) -> NoReturn:
        if verdict == "retried":
            wait = backoff_seconds(
                attempt=self._attempt, base=RETRY_BASE_SECONDS, cap=RETRY_CAP_SECONDS
            )
            raise self.retry(exc=error, countdown=wait, max_retries=TASK_ATTEMPTS)
        dead_letters.record(
            queue=Queue(self._queue),
            task=str(self.name),
            reason=verdict,
            error=f"{type(error).__name__}: {error}",
            attempts=self._attempt,
            payload=dict(kwargs),
        )
        raise Ignore from error


def _is_call_mismatch(error: Exception) -> bool:
    """Whether the call itself did not fit the task: then no frame of the task's was entered."""
    traceback = error.__traceback__
    return isinstance(error, TypeError) and traceback is not None and traceback.tb_next is None
