from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError

from apps.station.demo import playing
from apps.station.demo.waiting import WaitedTooLongError
from apps.station.local.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.station.demo.screen import Screen

    Play = Callable[[BaseException | bool], int]


class FakeStage:
    """A stage that was opened and has left logs behind."""

    is_known = True
    folder = Path("var/demo")

    def log_tail(self, program: str) -> str:
        return f"last words of {program}"


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run `main` with a story that ends as told."""

    def run(end: BaseException | bool) -> int:  # noqa: FBT001 - one value, either kind
        def tell(_: Screen, __: FakeStage) -> bool:
            if isinstance(end, BaseException):
                raise end
            return end

        monkeypatch.setattr(playing, "Stage", FakeStage)
        monkeypatch.setattr(playing, "_play", tell)
        return playing.main()

    return run


def test_exit_code_is_0_where_ledger_and_log_agree(play: Play) -> None:
    assert play(True) == 0


def test_exit_code_is_1_where_they_differ(play: Play) -> None:
    assert play(False) == 1


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(130)])
def test_interruption_is_told_and_has_its_exit_code(
    play: Play,
    end: BaseException,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert play(end) == 130
    assert "everything that was started is stopped" in capsys.readouterr().out


def test_end_by_a_signal_keeps_its_exit_code(
    play: Play,
) -> None:
    with pytest.raises(SystemExit) as raised:
        play(SystemExit(143))

    assert raised.value.code == 143


def test_wait_that_took_too_long_shows_the_log_and_where_all_logs_are(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(WaitedTooLongError("sending the campaign", 600, "worker-batch-email")) == 1

    shown = capsys.readouterr().out
    assert "last words of worker-batch-email" in shown
    assert "sending the campaign took longer than 600 s" in shown
    assert "var/demo/logs/" in shown


@pytest.mark.parametrize("error", [StationError("no [port] free"), CommandError("no [brand]")])
def test_known_errors_are_shown_without_a_traceback(
    play: Play,
    error: Exception,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert play(error) == 1

    shown = capsys.readouterr().out
    assert str(error) in shown
    assert "Traceback" not in shown


def test_unexpected_error_is_shown_with_its_traceback(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(ZeroDivisionError("oh")) == 1
    assert "Traceback" in capsys.readouterr().out
