from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.inspecting import BLOCK_BYTES, LINE_LIMIT_BYTES, inspect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeFile = Callable[..., Path]

HEADER = "email,name\n"


def test_plain_file_is_utf8_and_knows_its_digest_and_size(make_file: MakeFile) -> None:
    content = f"{HEADER}anna@example.com,Änne\n".encode()

    found = inspect(make_file(content))

    assert found.encoding == "utf-8"
    assert found.is_clean
    assert found.note == ""
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert found.size_bytes == len(content)


@pytest.mark.parametrize(
    ("codec", "mark", "expected"),
    [
        ("utf-8", b"\xef\xbb\xbf", "utf-8"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
    ],
)
def test_byte_order_mark_decides(
    make_file: MakeFile, codec: str, mark: bytes, expected: str
) -> None:
    found = inspect(make_file(mark + f"{HEADER}a@example.com,Änne 🙂\n".encode(codec)))

    assert (found.encoding, found.mark_bytes, found.is_clean) == (expected, len(mark), True)


def test_invalid_utf8_is_read_as_windows_1252_and_said_so(make_file: MakeFile) -> None:
    found = inspect(make_file(f"{HEADER}a@example.com,Müller “Änne”\n".encode("cp1252")))

    assert found.encoding == "cp1252"
    assert "Windows-1252" in found.note
    assert found.is_clean


def test_mostly_valid_utf8_stays_utf8_with_damaged_rows(make_file: MakeFile) -> None:
    good = "".join(f"a{n}@example.com,Müller\n" for n in range(50)).encode()

    found = inspect(make_file(HEADER.encode() + good + b"b@example.com,M\xfcller\n"))

    assert (found.encoding, found.damaged) == ("utf-8", 1)
    assert "1 broken bytes" in found.note


def test_letter_cut_by_a_block_is_whole(make_file: MakeFile) -> None:
    filler = "x" * (BLOCK_BYTES - len(HEADER) - 1)

    assert inspect(make_file(f"{HEADER}{filler}ü\n")).is_clean


def test_bytes_without_meaning_in_windows_1252_are_counted(make_file: MakeFile) -> None:
    found = inspect(make_file(HEADER.encode() + b"a@example.com,M\xfcller\x81\n"))

    assert (found.encoding, found.damaged) == ("cp1252", 1)


def test_chosen_encoding_overrules_the_guess(make_file: MakeFile) -> None:
    path = make_file(f"{HEADER}a@example.com,Łódź\n".encode("cp1250"))

    assert inspect(path, encoding="windows-1250").encoding == "cp1250"


@pytest.mark.parametrize("name", ["nonsense", "rot13", "utf-32", "cp037", "base64"])
def test_unusable_encoding_is_refused_by_name(make_file: MakeFile, name: str) -> None:
    with pytest.raises(FileRefusedError, match=r"encoding|cannot be read"):
        inspect(make_file(HEADER), encoding=name)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"PK\x03\x04rest of a workbook", "xlsx"),
        (b"\xd0\xcf\x11\xe0old", "xls"),
        (b"\x1f\x8bzipped", "gunzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\n<!DOCTYPE html><table>", "web page"),
        (b"email,name\na@example.com,\0\0\0\n", "zero bytes"),
        ("email,name\n".encode("utf-16-le"), "utf-16-le"),
        ("\ufeffemail".encode("utf-32-le"), "UTF-32"),
        (b"\xff\xfe" + b"e\0m\0a", "not utf-16-le throughout"),
        (b"email\n" + b"x" * (LINE_LIMIT_BYTES + BLOCK_BYTES), "longer than"),
    ],
)
def test_what_is_no_csv_file_is_refused_with_what_to_do(
    make_file: MakeFile, content: bytes, told: str
) -> None:
    with pytest.raises(FileRefusedError, match=told):
        inspect(make_file(content))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError, match="No such file"):
        inspect(tmp_path / "nowhere.csv")


def test_lines_shorter_than_the_limit_pass_wherever_blocks_end(make_file: MakeFile) -> None:
    line = "x" * (LINE_LIMIT_BYTES - BLOCK_BYTES) + "\n"

    assert inspect(make_file(line * 3)).size_bytes == 3 * len(line)
