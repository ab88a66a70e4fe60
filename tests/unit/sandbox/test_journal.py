from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.sandbox.journal import Journal, read_page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "accepted.jsonl"


def test_appended_lines_are_there_before_the_file_is_closed(path: Path) -> None:
    journal = Journal(path)

    journal.append([{"n": 1}, {"n": 2}])

    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'
    journal.close()


def test_existing_log_is_continued(path: Path) -> None:
    for number in (1, 2):
        journal = Journal(path)
        journal.append([{"n": number}])
        journal.close()

    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'


def test_cleared_log_starts_anew(path: Path) -> None:
    journal = Journal(path)
    journal.append([{"n": 1}])

    journal.clear()
    journal.append([{"n": 2}])

    assert path.read_bytes() == b'{"n":2}\n'
    journal.close()


def test_page_ends_at_the_last_whole_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"1\n22\n333\n44")

    first, offset = read_page(path, offset=0, limit=2)
    second, end = read_page(path, offset=offset, limit=2)

    assert (first, offset) == ([b"1\n", b"22\n"], 5)
    assert (second, end) == ([b"333\n"], 9)
    assert read_page(path, offset=end, limit=2) == ([], 9)
