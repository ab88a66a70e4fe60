from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apps.station.local.controlling import ask, control_socket, make_room
from apps.station.local.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = Path("/srv") / ("a long folder name " * 5) / "var" / "test"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a short path, as the system's usually is."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_socket_of_a_short_folder_lies_in_it(temporary: Path) -> None:
    assert control_socket(temporary) == temporary / "run" / "control.sock"


def test_socket_of_a_long_folder_fits_the_system(temporary: Path) -> None:
    found = control_socket(LONG)
    make_room(found)

    assert len(os.fsencode(found)) < 100
    assert found.parent.parent == temporary
    assert found.parent.stat().st_mode & 0o777 == 0o700
    assert control_socket(LONG) == found


def test_asking_for_the_socket_makes_nothing(temporary: Path) -> None:
    control_socket(LONG)

    assert list(temporary.iterdir()) == []


def test_left_socket_makes_room(temporary: Path) -> None:
    found = control_socket(LONG)
    make_room(found)
    found.touch()

    make_room(found)

    assert not found.exists()


def test_sockets_of_two_long_folders_differ(temporary: Path) -> None:
    assert control_socket(LONG) != control_socket(LONG.with_name("test-2"))


def test_folder_that_others_may_enter_is_refused(temporary: Path) -> None:
    found = control_socket(LONG)
    found.parent.mkdir(mode=0o755)

    for trusting in (lambda: control_socket(LONG), lambda: make_room(found)):
        with pytest.raises(StationError, match="not a private folder of ours"):
            trusting()


def test_nobody_listening_is_told(temporary: Path) -> None:
    with pytest.raises(StationError, match="does not answer"):
        ask(temporary / "nobody.sock", "getState")
