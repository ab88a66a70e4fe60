from __future__ import annotations

import csv
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.contacts.importing.inspecting import BLOCK_BYTES
from apps.contacts.importing.lines import Line, read_lines
from apps.contacts.importing.records import (
    QUOTED_CHARACTERS_LIMIT,
    QUOTED_LINES_LIMIT,
    Record,
    parse_cells,
    read_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeFile = Callable[..., Path]


def records_of(text: str, *, delimiter: str = ",") -> list[Record]:
    raw = text.encode().splitlines(keepends=True)
    lines = iter([Line(one.decode(), len(one)) for one in raw])
    return list(read_records(lines, delimiter=delimiter, start=0, line=1))


def test_rows_know_their_lines_and_offsets() -> None:
    records = records_of('email,note\na@example.com,"one\r\ntwo"\nb@example.com,x\n')

    assert [(one.line, one.next_line, one.start, one.end) for one in records] == [
        (1, 2, 0, 11),
        (2, 4, 11, 36),
        (4, 5, 36, 52),
    ]
    assert records[1].cells == ["a@example.com", "one\r\ntwo"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_break_ends_a_row(line_break: str) -> None:
    records = records_of(line_break.join(["a,b", "c,d", "", "e,f"]))

    assert [one.cells for one in records] == [["a", "b"], ["c", "d"], [""], ["e", "f"]]


def test_doubled_quotes_and_delimiters_in_quotes_are_text() -> None:
    (record,) = records_of('"say ""hi"", twice",b\n')

    assert record.cells == ['say "hi", twice', "b"]


def test_quote_inside_an_unquoted_cell_is_text() -> None:
    (record,) = records_of('5" tube,b\n')

    assert record.cells == ['5" tube', "b"]


@pytest.mark.parametrize(
    "broken",
    [
        'b@example.com,"Anna\n',  # never closed; the next quote is in another row
        'b@example.com,"Anna"x,y\n',
        'b@example.com,"say "hi"",y\n',
    ],
)
def test_stray_quote_costs_its_own_row_only(broken: str) -> None:
    records = records_of(f'a@example.com,"A"\n{broken}c@example.com,"C"\nd@example.com,"D"\n')

    assert [one.is_broken for one in records] == [False, True, False, False]
    assert [one.line for one in records] == [1, 2, 3, 4]
    assert records[1].cells[0] == "b@example.com"
    assert [one.cells[1] for one in records[2:]] == ["C", "D"]


def test_quote_open_at_the_end_of_the_file_costs_one_row() -> None:
    records = records_of('a,"open\nb,c\nd,e\n')

    assert [(one.is_broken, one.cells) for one in records] == [
        (True, ["a", "open"]),
        (False, ["b", "c"]),
        (False, ["d", "e"]),
    ]


@pytest.mark.parametrize(
    "rest",
    ["x\n" * QUOTED_LINES_LIMIT, ("y" * 1000 + "\n") * (QUOTED_CHARACTERS_LIMIT // 1000 + 1)],
)
def test_quoted_cell_beyond_the_limits_is_broken_and_the_rest_is_read(rest: str) -> None:
    records = records_of(f'a,"{rest}"\nlast,one\n')

    assert records[0].is_broken
    assert records[-1].cells == ["last", "one"]
    assert sum(one.size_bytes for one in records) == len(f'a,"{rest}"\nlast,one\n')


def test_cell_longer_than_the_csv_module_reads_is_broken_not_fatal() -> None:
    long = '"' + "x" * (QUOTED_CHARACTERS_LIMIT + 5) + '"'

    records = records_of(f"a,{long}\nb,c\n")

    assert [one.is_broken for one in records] == [True, False]


cells = st.text(st.sampled_from('ab ,;"\n\r\té'), max_size=8)
rows = st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=8)
patient = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(rows, st.sampled_from(",;\t|"), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_the_csv_module_wrote_is_read_back(
    table: list[list[str]], delimiter: str, quoting: Literal[0, 1]
) -> None:
    written = StringIO(newline="")
    csv.writer(written, delimiter=delimiter, quoting=quoting).writerows(table)

    records = records_of(written.getvalue(), delimiter=delimiter)

    assert [one.cells for one in records] == table
    assert not any(one.is_broken for one in records)


@patient
@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60))
def test_any_text_is_read_to_its_end_without_gap(text: str) -> None:
    records = records_of(text)

    assert sum(one.size_bytes for one in records) == len(text)
    for one, after in pairwise(records):
        assert (one.end, one.next_line) == (after.start, after.line)


@patient
@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60), st.data())
def test_reading_goes_on_at_any_row_as_if_it_had_not_stopped(
    text: str, data: st.DataObject
) -> None:
    whole = records_of(text)
    if not whole:
        return
    stop = data.draw(st.integers(0, len(whole) - 1))

    rest = text[whole[stop].start :].encode().splitlines(keepends=True)
    resumed = read_records(
        iter([Line(one.decode(), len(one)) for one in rest]),
        delimiter=",",
        start=whole[stop].start,
        line=whole[stop].line,
    )

    assert list(resumed) == whole[stop:]


def test_cells_of_a_broken_row_are_told_apart_as_far_as_possible() -> None:
    assert parse_cells('a,"b\nc,d\n', delimiter=",") == ["a", "b c,d"]
    assert parse_cells('a,"b\r\nc",d\n', delimiter=",") == ["a", "b\r\nc", "d"]
    assert parse_cells("", delimiter=",") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1252", "shift_jis"])
def test_lines_are_the_same_from_any_of_their_offsets(make_file: MakeFile, encoding: str) -> None:
    letters = {"cp1252": "äöü", "shift_jis": "日本語"}.get(encoding, "ä語🙂")
    text = "".join(f"{n},{letters * (n % 7)}\r\n" for n in range(40_000)) + "last"
    path = make_file(text.encode(encoding))
    assert path.stat().st_size > 2 * BLOCK_BYTES

    lines = list(read_lines(path, encoding=encoding, offset=0))

    assert "".join(one.text for one in lines) == text
    offset = sum(one.size_bytes for one in lines[:20_001])
    assert list(read_lines(path, encoding=encoding, offset=offset)) == lines[20_001:]


def test_bytes_without_meaning_become_surrogates(make_file: MakeFile) -> None:
    path = make_file(b"a,M\xfcller\nb,c\n")

    lines = [one.text for one in read_lines(path, encoding="utf-8", offset=0)]

    assert lines == ["a,M\udcfcller\n", "b,c\n"]
