"""Queues that nobody wrote code for, and poison of every kind, with a real worker."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from redis import Redis

from apps.queues import enqueueing, registry
from apps.queues.correlation import bind_correlation_id
from apps.queues.enqueueing import publish
from apps.queues.models import DeadLetter
from apps.queues.names import TaskName
from apps.station.local.instance import PROJECT
from tests.integration.queues import made_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PATIENCE_SECONDS = 180.0  # a busy machine starts a worker in minutes


class _Elsewhere(BaseHTTPRequestHandler):
    """Another system: it works off three rows per call."""

    calls: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append({**body, "authorization": self.headers["Authorization"]})
        answer = json.dumps({"processed": 3, "queue_length": 0}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/work"
    server.shutdown()
    server.server_close()


def _database_url() -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def supervisor(marks: Path) -> Iterator[socket.socket]:
    """What systemd listens with for signs of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(marks.parent / "notify"))
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


@pytest.fixture(scope="module")
def worker(
    django_db_setup: None, marks: Path, elsewhere: str, supervisor: socket.socket
) -> Iterator[psutil.Process]:
    """A worker of the made-up queue and of the calls to other systems."""
    log = marks.parent / "made-up-worker.log"
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.queues.made_up", "worker"]
    command += ["--queues", f"{made_up.QUEUE},external", "--concurrency", "2", "--without-gossip"]
    command += ["--without-mingle", "--without-heartbeat", "--hostname", "made-up@%h"]
    environment = {
        **os.environ,
        "DATABASE_URL": _database_url(),
        "MADE_UP_FOLDER": str(marks),
        "MADE_UP_URL": elsewhere,
        "NOTIFY_SOCKET": supervisor.getsockname(),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own worker
            command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    await_that(lambda: "ready." in log.read_text(errors="replace"), log)
    yield psutil.Process(process.pid)
    process.terminate()
    process.wait(30)


@pytest.fixture(autouse=True)
def _made_up_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = made_up.internal_queue()
    monkeypatch.setitem(registry._queues, spec.name, spec)
    for task in spec.tasks:
        monkeypatch.setitem(registry._task_queues, task, spec.name)
    declared = current_app.amqp.queues
    monkeypatch.setitem(declared, spec.name, declared.new_missing(spec.name))
    enqueueing._link.cache_clear()


@pytest.fixture
def broker() -> Iterator[Redis]:
    with Redis.from_url(settings.REDIS_URL) as client:
        yield client


def await_that(condition: Callable[[], bool], log: Path | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        tail = log.read_text(errors="replace")[-3000:] if log else ""
        assert time.monotonic() < deadline, f"waited in vain\n{tail}"
        time.sleep(0.05)


def send(task: str, **ids: int | str) -> str:
    correlation = bind_correlation_id(None)
    assert publish(task, ids=ids, correlation=correlation) == 1
    return correlation


def await_letter() -> DeadLetter:
    await_that(DeadLetter.objects.exists)
    return DeadLetter.objects.get()


def assert_still_works(worker: psutil.Process, marks: Path, name: str) -> None:
    """The same process takes sound work after it had the poison."""
    send(made_up.NOTE, text=name)
    await_that((marks / name).exists)
    assert worker.is_running()
    assert worker.status() != psutil.STATUS_ZOMBIE


def test_worker_tells_its_supervisor_that_it_is_ready_and_gets_on(
    worker: psutil.Process, supervisor: socket.socket
) -> None:
    assert supervisor.recv(100) == b"READY=1"
    assert supervisor.recv(100) == b"WATCHDOG=1"


def test_made_up_queue_is_worked_and_its_task_knows_its_delivery(
    worker: psutil.Process, marks: Path
) -> None:
    correlation = send(made_up.NOTE, text="sound")

    await_that((marks / "sound").exists)

    queue, attempt, left, told, *moment, seconds = (marks / "sound").read_text().split()
    assert (queue, attempt, left, told) == (made_up.QUEUE, "1", "1", correlation)
    assert moment[0].startswith("20")
    assert 0 < float(seconds) <= made_up.TASK_SECONDS


def test_made_up_external_queue_is_called_once_per_interval(worker: psutil.Process) -> None:
    for _ in range(3):
        send(TaskName.WORK_EXTERNAL, queue=made_up.EXTERNAL)

    await_that(lambda: bool(_Elsewhere.calls))
    time.sleep(0.5)

    (call,) = _Elsewhere.calls
    assert call == {"limit": 100, "deadline_seconds": 2.0, "authorization": "Bearer a-token"}


def test_failing_task_has_the_attempts_of_its_queue(worker: psutil.Process, marks: Path) -> None:
    correlation = send(made_up.FAIL, text="failing")

    letter = await_letter()

    assert (letter.queue, letter.reason, letter.attempts) == (made_up.QUEUE, "attempts_spent", 2)
    assert letter.payload == {"text": "failing"}
    tries = [line.split() for line in (marks / "failing").read_text().splitlines()]
    assert [(one[1], one[2], one[3]) for one in tries] == [
        ("1", "1", correlation),
        ("2", "0", correlation),
    ]
    assert len({(one[4], one[5]) for one in tries}) == 1  # enqueued once


def test_unknown_task_becomes_a_letter(worker: psutil.Process, marks: Path) -> None:
    current_app.send_task("made_up.of_next_year", kwargs={"row_id": 7}, queue=made_up.QUEUE)

    letter = await_letter()

    assert (letter.task, letter.reason) == ("made_up.of_next_year", "unknown_task")
    assert_still_works(worker, marks, "after-unknown")


def test_wrong_arguments_become_a_letter(worker: psutil.Process, marks: Path) -> None:
    send(made_up.FAIL, colour="green")

    letter = await_letter()

    assert (letter.reason, letter.payload) == ("wrong_arguments", {"colour": "green"})
    assert_still_works(worker, marks, "after-wrong")


def envelope(**changes: object) -> bytes:
    body: dict[str, object] = {
        "body": "W1tdLCB7fSwge31d",  # [[], {}, {}]
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": made_up.NOTE, "id": "x", "lang": "py"},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "tag",
            "delivery_info": {"exchange": "", "routing_key": made_up.QUEUE},
        },
    }
    return json.dumps({**body, **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\xfe\x00 no text at all", "unreadable"),
        (b'{"body": "cut o', "unreadable"),
        (b"[]", "unreadable"),
        (b"3", "unreadable"),
        (b"[" * 30_000, "unreadable"),
        (envelope(headers={}), "unreadable"),
        (envelope(body="bm8gSlNPTg=="), "unreadable"),
        (envelope(body="!"), "unreadable"),
        (envelope(body="MTc="), "unreadable"),
        (envelope(**{"content-type": "application/x-python-serialize"}), "unreadable"),
        (envelope(headers={"task": "\ud800\0x", "id": "x"}, body="!"), "unreadable"),
        (b"x" * 10_000_000, "too_large"),
        (envelope(body="x" * 10_000_000), "too_large"),
    ],
)
def test_message_that_is_no_wake_up_becomes_a_letter(
    raw: bytes, reason: str, worker: psutil.Process, marks: Path, broker: Redis
) -> None:
    broker.lpush(made_up.QUEUE, raw)

    letter = await_letter()

    assert (letter.queue, letter.reason) == (made_up.QUEUE, reason)
    assert letter.payload == {"bytes": len(raw)}
    assert_still_works(worker, marks, f"after-{hash(raw)}")


def test_task_that_kills_its_process_is_tried_again_and_then_kept(
    worker: psutil.Process, marks: Path
) -> None:
    correlation = send(made_up.SEGFAULT, text="segfault")

    letter = await_letter()

    assert (letter.reason, letter.attempts) == ("killed_its_worker", 3)
    assert letter.correlation_id == correlation
    assert "SIGSEGV" in letter.error
    assert len((marks / "segfault").read_text().splitlines()) == 3
    assert_still_works(worker, marks, "after-segfault")


def test_task_without_memory_becomes_a_letter(worker: psutil.Process, marks: Path) -> None:
    send(made_up.EXHAUST, text="memory")

    letter = await_letter()

    assert (letter.reason, letter.error) == ("attempts_spent", "MemoryError: ")
    assert_still_works(worker, marks, "after-memory")


def test_task_that_outlives_its_limit_becomes_a_letter(worker: psutil.Process, marks: Path) -> None:
    send(made_up.HANG, text="hang")

    letter = await_letter()

    assert (letter.reason, letter.attempts) == ("time_limit", 3)
    assert_still_works(worker, marks, "after-hang")
