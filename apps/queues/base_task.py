"""The base of every task: what it knows, one log line at the end, the one retry policy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from apps.queues import dead_letters, figures, holding, poison, schedules
from apps.queues.correlation import bind_correlation_id, clear_correlation_id
from apps.queues.database import is_database_away
from apps.queues.deliveries import Delivery, deadline_after, read_moment, under
from apps.queues.endings import Ending, Outcome, tell
from apps.queues.enqueueing import CORRELATION_HEADER, ENQUEUED_HEADER
from apps.queues.errors import ExternalQueueError
from apps.queues.registry import QUEUES, TASK_QUEUES
from apps.queues.retrying import RetryWaits
from apps.queues.watchdog import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

# For a wake-up in a queue that this version does not declare.
DEFAULT_ATTEMPTS = 4
DEFAULT_TASK_SECONDS = 120


class StationTask(Task):  # type: ignore[type-arg]
    """A wake-up call: find a service, call one method, return nothing.

    Errors, decided here for all tasks: wrong arguments are dead letters at once; a database that
    is away is left to the sweeper; anything else is tried as often as its queue allows (or the
    error's own `attempts`) and is then a dead letter with the arguments. While its queue is held
    after failures (see `holding`), it is not run, and costs nothing. A task may ask
    `deliveries.current_delivery()` for its queue, attempt, deadline and correlation id.
    """

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        correlation = bind_correlation_id(self.request.get(CORRELATION_HEADER))
        started = time.perf_counter()
        outcome = Outcome.ATTEMPTS_SPENT
        raised: Exception | None = None
        with under(self._delivery(correlation)) as delivery:
            gate = holding.gate_of(holding.held_as(delivery.queue, kwargs))
            permit = gate.enter()
            if permit is None:
                self._note_end(Ending(delivery, Outcome.HELD, 0.0))
                clear_correlation_id()
                raise Ignore
            if delivery.waited_seconds is not None:
                figures.note_wait(queue=delivery.queue, seconds=delivery.waited_seconds)
            try:
                result = self.run(*args, **kwargs)
                outcome = Outcome.DONE
            except (Retry, Ignore, Reject):
                outcome = Outcome.DEFERRED
                raise
            except Exception as error:
                if is_database_away(error):
                    outcome, raised = Outcome.DATABASE_AWAY, error
                    log.warning("database_away", task=self.name, error=type(error).__name__)
                    raise Ignore from error
                log.exception("task_raised", task=self.name)
                outcome, raised = self._verdict(error), error
                self._carry_out(outcome, error, kwargs)
            finally:
                seconds = time.perf_counter() - started
                gate.leave(permit, outcome)
                self._note_end(Ending(delivery, outcome, seconds, raised))
                clear_correlation_id()
        return result

    def _note_end(self, ending: Ending) -> None:
        delivery = ending.delivery
        log.info(
            "task_ended",
            task=delivery.task,
            queue=delivery.queue,
            attempt=delivery.attempt,
            attempts_left=delivery.attempts_left,
            duration_ms=round(ending.seconds * 1000, 1),
            outcome=ending.outcome.value,
        )
        figures.note_task(
            queue=delivery.queue,
            task=delivery.task,
            outcome=ending.outcome.value,
            seconds=ending.seconds,
            error=type(ending.error).__name__ if ending.error else "",
        )
        if ending.outcome is Outcome.DONE:
            progress.note()
        tell(ending)
        schedules.end_run(succeeded=ending.outcome is Outcome.DONE)

    def _delivery(self, correlation: str) -> Delivery:
        queue = self._queue
        spec = QUEUES.get(queue)
        attempts = spec.attempts if spec else DEFAULT_ATTEMPTS
        return Delivery(
            task=str(self.name),
            queue=queue,
            attempt=self._attempt,
            attempts_left=max(0, attempts - self._attempt),
            enqueued_at=read_moment(self.request.get(ENQUEUED_HEADER)),
            deadline=deadline_after(spec.task_seconds if spec else DEFAULT_TASK_SECONDS),
            correlation_id=correlation,
        )

    @property
    def _attempt(self) -> int:
        return int(self.request.retries or 0) + 1

    @property
    def _queue(self) -> str:
        """Where the wake-up came from; without one (the drainer), the task's own queue."""
        routing_key = (self.request.delivery_info or {}).get("routing_key")
        return str(routing_key or TASK_QUEUES.get(str(self.name), ""))

    def _verdict(self, error: Exception) -> Outcome:
        if _is_call_mismatch(error):
            return Outcome.WRONG_ARGUMENTS
        return Outcome.RETRIED if self._attempt < self._budget(error) else Outcome.ATTEMPTS_SPENT

    def _budget(self, error: Exception) -> int:
        if isinstance(error, ExternalQueueError):
            return error.attempts
        spec = QUEUES.get(self._queue)
        return spec.attempts if spec else DEFAULT_ATTEMPTS

    def _carry_out(self, verdict: Outcome, error: Exception, kwargs: Mapping[str, Any]) -> NoReturn:
        if verdict is Outcome.RETRIED:
            spec = QUEUES.get(self._queue)
            waits = spec.retry_waits if spec else RetryWaits()
            wait = waits.seconds(self._attempt)
            raise self.retry(exc=error, countdown=wait, max_retries=self._attempt)
        dead_letters.record(
            queue=self._queue,
            task=str(self.name),
            reason=verdict.value,
            error=poison.storable(f"{type(error).__name__}: {error}"),
            attempts=self._attempt,
            payload=poison.cut(kwargs),
        )
        raise Ignore from error


def _is_call_mismatch(error: Exception) -> bool:
    """Whether the call itself did not fit the task: then no frame of the task's was entered."""
    traceback = error.__traceback__
    return isinstance(error, TypeError) and traceback is not None and traceback.tb_next is None
