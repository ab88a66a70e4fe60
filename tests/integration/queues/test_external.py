"""Queues of other systems: what is asked of them, and what becomes of their answers."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from apps.queues import external, figures, registry, watermarks
from apps.queues.base_task import StationTask
from apps.queues.errors import ExternalQueueError, UnknownQueueError
from apps.queues.external import WorkedOff, due_external, work_off, work_scheduled
from apps.queues.health.reading import read_health
from apps.queues.health.reports import UNKNOWN
from apps.queues.models import Alert, SchedulePeriod
from apps.queues.names import TaskName
from apps.queues.registry import Endpoint, ExternalQueueSpec, Watermarks
from apps.queues.schedules import end_run
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

QUEUE = "package_generation"


class Elsewhere(BaseHTTPRequestHandler):
    """Another system, which answers as a test says."""

    status, answer, delay_seconds = 200, b"", 0.0
    asked: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append({**json.loads(body), "token": self.headers.get("Authorization")})
        time.sleep(self.delay_seconds)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Elsewhere]]:
    """The other system, declared as an external queue."""
    for name, value in {"status": 200, "answer": b'{"processed": 2}', "delay_seconds": 0.0,
                        "asked": []}.items():  # fmt: skip
        monkeypatch.setattr(Elsewhere, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    declare(monkeypatch, Endpoint(f"http://127.0.0.1:{server.server_port}/work", "secret"))
    yield Elsewhere
    server.shutdown()
    server.server_close()
    external._transport.cache_clear()


def declare(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint | None) -> None:
    spec = ExternalQueueSpec(
        QUEUE,
        "Made up",
        endpoint=lambda: endpoint,
        usual_wait_seconds=60,
        watermarks=Watermarks(depth=1, age_seconds=1),
        total_seconds=1.0,
    )
    monkeypatch.setitem(registry._external_queues, QUEUE, spec)


def test_other_system_is_asked_for_so_many_rows_within_the_deadline(
    elsewhere: type[Elsewhere],
) -> None:
    elsewhere.answer = b'{"processed": 17, "queue_length": 3}'

    worked = work_off(queue=QUEUE, limit=50, deadline_seconds=0.5)

    assert worked == WorkedOff(17, 3)
    assert elsewhere.asked == [{"limit": 50, "deadline_seconds": 0.5, "token": "Bearer secret"}]


def test_length_that_is_not_told_is_unknown_and_not_zero(elsewhere: type[Elsewhere]) -> None:
    assert work_off(queue=QUEUE) == WorkedOff(2, None)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b'{"processed": -1}'), (302, b"")],
)
def test_answer_that_is_not_as_promised_is_an_error_with_the_queues_budget(
    status: int, answer: bytes, elsewhere: type[Elsewhere]
) -> None:
    elsewhere.status, elsewhere.answer = status, answer

    with pytest.raises(ExternalQueueError, match=QUEUE) as caught:
        work_off(queue=QUEUE)

    assert caught.value.attempts == 3
    assert StationTask()._budget(caught.value) == 3


def test_slow_system_is_left_at_the_deadline(elsewhere: type[Elsewhere]) -> None:
    elsewhere.delay_seconds = 5
    started = time.monotonic()

    with pytest.raises(ExternalQueueError):
        work_off(queue=QUEUE, deadline_seconds=0.3)

    assert time.monotonic() - started < 2


def test_unknown_queue_is_named() -> None:
    with pytest.raises(UnknownQueueError, match="No external queue 'no-such'"):
        work_off(queue="no-such")


def test_queue_that_is_switched_off_is_neither_due_nor_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare(monkeypatch, None)

    assert work_off(queue=QUEUE) == WorkedOff(0, None)
    assert due_external() == []


def test_queue_is_due_once_per_interval(elsewhere: type[Elsewhere]) -> None:
    before = list(due_external())
    first = work_scheduled(queue=QUEUE)
    second = work_scheduled(queue=QUEUE)

    assert before == [Due(TaskName.WORK_EXTERNAL, 1, {"queue": QUEUE})]
    assert (first, second) == (WorkedOff(2, None), None)
    assert list(due_external()) == []
    end_run(succeeded=True)


def test_call_that_failed_frees_its_interval(elsewhere: type[Elsewhere]) -> None:
    elsewhere.status = 503
    with pytest.raises(ExternalQueueError):
        work_scheduled(queue=QUEUE)

    end_run(succeeded=False)

    assert not SchedulePeriod.objects.exists()
    assert len(list(due_external())) == 1


def test_health_tells_what_the_other_system_told(elsewhere: type[Elsewhere]) -> None:
    never_called = read_health().queues[QUEUE]
    elsewhere.answer = b'{"processed": 2, "queue_length": 30}'
    work_off(queue=QUEUE)
    figures.write()
    worked = read_health().queues[QUEUE]
    elsewhere.status = 503
    with pytest.raises(ExternalQueueError):
        work_off(queue=QUEUE)
    figures.write()
    failing = read_health().queues[QUEUE]

    assert (never_called.queue_length, never_called.last_success_at) == (UNKNOWN, None)
    assert (worked.queue_length, worked.error_streak) == (30, 0)
    assert isinstance(worked.last_success_at, datetime)
    assert (failing.queue_length, failing.error_streak) == (30, 1)
    assert failing.last_error == "status 503"


def test_backlog_of_another_system_raises_an_alert(elsewhere: type[Elsewhere]) -> None:
    elsewhere.answer = b'{"processed": 2, "queue_length": 1000000}'
    work_off(queue=QUEUE)

    watermarks.watch()

    assert Alert.objects.open().filter(kind="queue_depth", subject=QUEUE).exists()
