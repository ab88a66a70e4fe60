from __future__ import annotations

import signal
import time

import pytest

from apps.station.demo.waiting import WaitedTooLongError, await_true, deadline


def test_await_true_returns_once_it_holds() -> None:
    answers = iter([False, True])

    await_true(lambda: next(answers), what="it", seconds=5, log="web")


def test_await_true_gives_up() -> None:
    with pytest.raises(WaitedTooLongError, match=r"the web took longer than 0\.01 s"):
        await_true(lambda: False, what="the web", seconds=0.01, log="web")


def test_deadline_ends_what_hangs() -> None:
    started = time.monotonic()

    with pytest.raises(WaitedTooLongError) as raised, deadline("it", seconds=0.05, log="postgres"):
        time.sleep(30)

    assert time.monotonic() - started < 10
    assert raised.value.log == "postgres"


def test_deadline_leaves_no_alarm_behind() -> None:
    former = signal.getsignal(signal.SIGALRM)

    with deadline("it", seconds=60, log="web"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is former
