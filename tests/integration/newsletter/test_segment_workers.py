"""Ten writers and three workers that are killed, for one contact."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.cache import caches
from django.db import connection, connections

from apps.newsletter.models import SegmentWish, WishState
from apps.newsletter.segments.wishes import want
from apps.sandbox.handle import ResendSandbox
from tests.integration.newsletter.segment_house import TIERS, SegmentHouse
from tests.integration.sandbox.talking import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[3]
INTERVAL_MS = 100
WORKER = """
import sys, time, django
django.setup()
from apps.newsletter.segments.working import work_segments
print("ready", flush=True)
while True:
    work_segments(account_id=int(sys.argv[1]), turn_seconds=1)
    time.sleep(0.05)
"""


class Workers:
    """Processes that work the account's segments, until they are killed."""

    def __init__(self, house: SegmentHouse) -> None:
        database = connection.settings_dict
        where = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
        self._account_id = house.sender.account_id
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"postgresql://{database['USER']}:{database['PASSWORD']}@{where}",
            "RESEND_API_URL": house.sandbox.url,
            "FLUX_PROVIDER_CONNECT_SECONDS": "0.3",
            "FLUX_PROVIDER_READ_SECONDS": "0.5",
            "FLUX_PROVIDER_TOTAL_SECONDS": "0.6",
            "FLUX_SEGMENT_LEASE_SECONDS": "1",
            "FLUX_SEGMENT_MIN_INTERVAL_MS": str(INTERVAL_MS),
            "FLUX_SEGMENT_JITTER_MS": "20",
            "FLUX_SEGMENT_KNOWN_FRESH_SECONDS": "0",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, number: int = 1) -> None:
        """Side by side, and waits until they are ready."""
        new = [self._launch() for _ in range(number)]
        self.running += new
        for worker in new:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"

    def _launch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", WORKER, str(self._account_id)],
            cwd=PROJECT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def kill_one(self) -> None:
        worker = self.running.pop(0)
        worker.send_signal(signal.SIGKILL)
        self._bury(worker)

    def stop(self) -> None:
        while self.running:
            self.kill_one()

    @staticmethod
    def _bury(worker: subprocess.Popen[bytes]) -> None:
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()


@contextmanager
def started(house: SegmentHouse, number: int) -> Iterator[Workers]:
    workers = Workers(house)
    try:
        workers.start(number)
        yield workers
    finally:
        workers.stop()


@pytest.mark.django_db(transaction=True)
def test_ten_writers_and_killed_workers_end_with_the_last_wish(tmp_path: Path) -> None:
    caches["flags"].clear()
    script = {2: "429", 3: "429"}  # the first was the one that made the contact
    with ResendSandbox(tmp_path, accounts={"main": KEY}, rate_limit=0, latency_ms=60) as sandbox:
        house = SegmentHouse(sandbox)
        contact = house.contact_there("bronze")
        sandbox.configure(contact_fault_script=script)
        base = datetime.now(tz=UTC) - timedelta(minutes=5)
        wishes = [(base + timedelta(seconds=n), random.choice([*TIERS, None])) for n in range(99)]
        wishes.append((base + timedelta(seconds=99), "gold"))

        def write(number: int) -> None:
            mine = wishes[number::10]
            random.shuffle(mine)
            for at, name in mine:
                target = None if name is None else house.segments[name]
                want(contact_id=contact.pk, target_segment=target, score=1, mode="update", at=at)
                time.sleep(random.uniform(0, 0.5))
            connections.close_all()

        with started(house, 3) as workers, ThreadPoolExecutor(10) as writers:
            written = [writers.submit(write, number) for number in range(10)]
            for _ in range(3):
                await_call(sandbox)
                workers.kill_one()
            workers.start()
            for one in written:
                one.result()
            await_settled(contact.pk)

        assert house.members_of(contact) == {"gold"}
        calls = [one for one in house.told()[1:] if one.t < time.time()]
        calls.pop()  # our own look
    gaps = [after.t - before.ended for before, after in pairwise(calls)]
    assert min(gaps) >= INTERVAL_MS / 1000, gaps
    assert sum(one.status == 429 for one in calls) == len(script)
    assert {one.operation for one in calls} >= {"list", "add"}


def await_call(sandbox: ResendSandbox) -> None:
    """A moment in which a call is under way, as far as can be told: one has just been made."""
    known, ends_at = len(sandbox.contact_calls()), time.monotonic() + 20
    while len(sandbox.contact_calls()) == known and time.monotonic() < ends_at:
        time.sleep(0.01)
    time.sleep(INTERVAL_MS / 1000 + 0.03)


def await_settled(contact_id: int) -> None:
    ends_at = time.monotonic() + 40
    while SegmentWish.objects.get(pk=contact_id).state != WishState.IDLE:
        assert time.monotonic() < ends_at
        time.sleep(0.1)
