"""Answers from one thread to another: none is lost, and the reader sleeps until enough came."""

from __future__ import annotations

import threading
import time

from apps.sms.calling.inbox import Inbox


def test_what_is_there_is_taken_at_once() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    inbox.put(2)

    assert len(inbox) == 2
    assert inbox.take(wanted=2, wait_s=60) == [1, 2]
    assert inbox.take(wanted=1, wait_s=0) == []


def test_reader_sleeps_until_enough_has_come() -> None:
    inbox: Inbox[int] = Inbox()
    taken: list[list[int]] = []
    reader = threading.Thread(target=lambda: taken.append(inbox.take(wanted=3, wait_s=60)))
    reader.start()

    for number in range(2):
        inbox.put(number)
    time.sleep(0.05)
    slept = not taken
    inbox.put(2)
    reader.join(timeout=10)

    assert slept
    assert taken == [[0, 1, 2]]


def test_reader_goes_with_less_when_its_time_is_over() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)

    assert inbox.take(wanted=2, wait_s=0.01) == [1]


def test_nothing_is_lost_and_nothing_waits_for_its_time_to_end() -> None:
    inbox: Inbox[int] = Inbox()
    number = 20_000
    taken: list[int] = []

    def write() -> None:
        for one in range(number):
            inbox.put(one)

    writer = threading.Thread(target=write)
    writer.start()

    while len(taken) < number:
        wanted = min(7, number - len(taken))
        got = inbox.take(wanted=wanted, wait_s=60)
        assert len(got) >= wanted  # or a wake-up was missed: it has slept a minute
        taken += got
    writer.join()

    assert taken == list(range(number))
