"""Kombu's Redis transport with what it lacks: a stomach for garbage, a calm farewell, and batches.

A message that is no wake-up (no JSON, no envelope, megabytes long) would raise in the worker's
main loop and end it, after the broker had given the message away: a worker for each bad message.
Here it is kept as a dead letter, and the loop goes on. A broker that goes away between two
messages would end the worker as well (see `Channel._connparams`), or starve it (see `QoS`).
"""

from __future__ import annotations

from contextlib import contextmanager
from queue import Empty
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from kombu.transport import redis as kombu_redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from apps.queues import poison

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)


class QoS(kombu_redis.QoS):
    """What a worker has been given and has not confirmed: it is given no more than some.

    Where the broker does not take a confirmation, kombu keeps the message's place for good. After
    as many as there are places the worker would wait for ever, well and idle. The broker gives the
    message out again when its time is up, and a wake-up too many does no harm.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except RedisError:
            self._free_place(delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's
        try:
            super().reject(delivery_tag, requeue=requeue)
        except RedisError:
            self._free_place(delivery_tag)
            raise

    def _free_place(self, delivery_tag: str) -> None:
        super(kombu_redis.QoS, self).ack(delivery_tag)


class Channel(kombu_redis.Channel):
    """A channel that refuses what is no wake-up, and sends many in one round trip."""

    QoS = QoS
    _batch: list[tuple[str, str]] | None = None

    @contextmanager
    def batched(self) -> Iterator[None]:
        """What is published in the block leaves together at its end; nothing if it raises."""
        batch = self._batch = []
        try:
            yield
        finally:
            self._batch = None
        if batch:
            by_key: dict[str, list[str]] = {}
            for key, text in batch:
                by_key.setdefault(key, []).append(text)
            with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipeline:
                for key, texts in by_key.items():
                    pipeline.lpush(key, *texts)
                pipeline.execute()

    def repeat(self, times: int) -> None:
        """Adds the batch's last message again, each time under ids of its own.

        Celery takes a good half of a millisecond to make a message, and this some microseconds.
        """
        if not self._batch:
            raise ValueError("nothing to repeat: publish a message in `batched` first")
        key, text = self._batch[-1]
        message = loads(text)
        task_id, tag = message["headers"]["id"], message["properties"]["delivery_tag"]
        self._batch += [
            (key, text.replace(task_id, str(uuid4())).replace(tag, str(uuid4())))
            for _ in range(times)
        ]

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - kombu's
        """As kombu's own, which knows no address once the connection has been taken apart.

        Its AttributeError ends a worker that closes a lost connection for the second time, or
        confirms what it was given over one. A lost connection is what everybody is prepared for;
        what was not confirmed is given out again when its time is up.
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection of this channel is closed")
        params: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc] # as below
        return params

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        if self._batch is None:
            super()._put(queue, message, **options)
            return
        priority = self._get_message_priority(message, reverse=False)
        key = self._q_for_pri(queue, priority)  # type: ignore[attr-defined] # missing in its types
        self._batch.append((key, dumps(message)))

    def _brpop_read(self, **options: Any) -> bool:
        """As kombu's own, with a look at the message between taking and delivering it."""
        try:
            try:
                answer = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:  # type: ignore[attr-defined] # as above
                # So that the next turn of the loop connects anew.
                self.client.connection.disconnect()
                raise
            if not answer:
                raise Empty
            key, item = answer
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)  # type: ignore[attr-defined] # as above
            self._deliver(queue, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined] # as above

    def _deliver(self, queue: str, item: bytes | str) -> None:
        problem = poison.problem_of(item)
        if problem is not None:
            poison.keep_unreadable(queue=queue, item=item, problem=problem)
            return
        try:
            self.connection._deliver(loads(bytes_to_str(item)), queue)  # noqa: SLF001 - as kombu
        except ResponseError as error:
            # The broker refuses to write down who has it: its memory is full, or it is a replica.
            # Raised further it would end the worker; the drainer comes for the work.
            log.warning("wake_up_dropped", queue=queue, error=type(error).__name__)


class Transport(kombu_redis.Transport):
    Channel = Channel
