from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from apps.station.demo import screen as screen_module
from apps.station.demo.screen import Screen, short
from apps.station.demo.waiting import WaitedTooLongError


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setattr(screen_module, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(screen_module, "_LINE_SECONDS", 0.0)
    return Screen(Console(file=written, width=100, highlight=False))


def test_chapters_are_numbered(screen: Screen, written: io.StringIO) -> None:
    screen.chapter("One")
    screen.chapter("Two")

    assert [line for line in written.getvalue().splitlines() if line] == ["1  One", "2  Two"]


def test_step_is_one_line_with_its_time(screen: Screen, written: io.StringIO) -> None:
    with screen.step("the tables"):
        pass

    assert written.getvalue().strip().startswith("✓ the tables (0.0 s)")


def test_step_that_fails_is_not_ticked(screen: Screen, written: io.StringIO) -> None:
    with pytest.raises(ValueError, match="no"), screen.step("the tables"):
        raise ValueError("no")

    assert "✓" not in written.getvalue()


def test_command_is_shown_as_it_is_typed(screen: Screen, written: io.StringIO) -> None:
    screen.command("manage.py", "campaign", "create", "--name", "Spring letter", '{"a": 1}')

    shown = """$ manage.py campaign create --name 'Spring letter' '{"a": 1}'"""
    assert written.getvalue().strip() == shown


def test_watch_without_terminal_writes_lines_until_all_is_done(
    screen: Screen, written: io.StringIO
) -> None:
    numbers = iter([0, 0, 50, 100])

    screen.watch("events", done=lambda: next(numbers), total=lambda: 100, seconds=5, log="web")

    lines = written.getvalue().strip().splitlines()
    assert lines[0].strip().startswith("events: 0 of 100")
    assert "s left" in lines[1]
    assert lines[-1].strip().startswith("events: 100 of 100")


def test_watch_gives_up_with_what_it_waited_for(screen: Screen) -> None:
    with pytest.raises(WaitedTooLongError, match=r"events \(3 of 100 .* took longer") as raised:
        screen.watch("events", done=lambda: 3, total=lambda: 100, seconds=0.01, log="web")

    assert raised.value.log == "web"


def test_paths_are_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert short(tmp_path / "var" / "demo") == str(Path("var/demo"))
