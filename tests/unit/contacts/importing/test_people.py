from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.contacts.importing.columns import REJECT_COLUMNS, plan_columns
from apps.contacts.importing.formulas import escape_formula, unescape_formula
from apps.contacts.importing.people import (
    TRAIT_LIMIT,
    TRAITS_LIMIT_BYTES,
    Fault,
    Person,
    PersonReader,
    Rejection,
)
from apps.contacts.importing.records import Record

HEADER = ["email", "first_name", "last_name", "locale", "timezone", "plan", "city"]


def reader(header: list[str] = HEADER, *, check_characters: bool = False) -> PersonReader:
    return PersonReader(plan_columns(header, chosen={}), check_characters=check_characters)


def record(*cells: str, is_broken: bool = False) -> Record:
    return Record(2, 10, sum(map(len, cells)), list(cells), is_broken=is_broken)


def rejection(outcome: Person | Rejection | None) -> Rejection:
    assert isinstance(outcome, Rejection)
    return outcome


def test_row_becomes_a_person_in_stored_form() -> None:
    row = record(
        " Anna@Example.com ", " Anna \n Maria ", "Müller", "de_AT", "europe/vienna", " pro ", ""
    )

    person = reader().read(row)

    assert person == Person(
        "Anna@example.com",
        "anna@example.com",
        "Anna Maria",
        "Müller",
        "de-AT",
        "Europe/Vienna",
        '{"plan":"pro"}',
    )


@pytest.mark.parametrize("cells", [[""], [" ", "\t", "", "", "", "", ""]])
def test_row_without_text_is_nobody(cells: list[str]) -> None:
    assert reader().read(record(*cells)) is None


def test_missing_cells_are_empty_and_counted() -> None:
    people = reader()

    person = people.read(record("a@example.com", "A"))

    assert isinstance(person, Person)
    assert people.short_rows == 1


def test_blank_cells_beyond_the_header_are_nothing() -> None:
    assert isinstance(reader(["email"]).read(record("a@example.com", "", " ")), Person)


FILLED = ["a@example.com", "A", "B", "de", "UTC", "p", "c"]


def with_cell(index: int, cell: str) -> list[str]:
    return [*FILLED[:index], cell, *FILLED[index + 1 :]]


@pytest.mark.parametrize(
    ("cells", "field", "fault", "told"),
    [
        (with_cell(0, " "), "email", Fault.EMAIL_MISSING, "empty"),
        (with_cell(0, "x"), "email", Fault.EMAIL_INVALID, "@"),
        (with_cell(1, "x" * 151), "first_name", Fault.TOO_LONG, "at most 150"),
        (with_cell(2, "x" * 151), "last_name", Fault.TOO_LONG, "at most 150"),
        (with_cell(3, "Klingon!"), "locale", Fault.LOCALE, "pt-BR"),
        (with_cell(4, "Mars/Base"), "timezone", Fault.TIMEZONE, "Europe/Berlin"),
        (with_cell(5, "x" * (TRAIT_LIMIT + 1)), "traits.plan", Fault.TOO_LONG, "at most 4,096"),
        ([*FILLED, "more"], "", Fault.TOO_MANY_CELLS, "8 cells, the header 7"),
        (with_cell(6, "a\0b"), "city", Fault.ENCODING, "type the text again"),
        (with_cell(6, "M\udcfcller"), "city", Fault.ENCODING, "type the text again"),
    ],
)
def test_row_is_rejected_with_field_limit_and_fix(
    cells: list[str], field: str, fault: Fault, told: str
) -> None:
    rejected = rejection(reader(check_characters=True).read(record(*cells)))

    assert (rejected.field, rejected.fault) == (field, fault)
    assert told in rejected.message


def test_limits_are_inclusive() -> None:
    row = record(*with_cell(5, "x" * TRAIT_LIMIT)[:2], "y" * 150, *with_cell(5, "")[3:])

    assert isinstance(reader().read(row), Person)
    assert isinstance(reader().read(record(*with_cell(5, "x" * TRAIT_LIMIT))), Person)


def test_traits_are_limited_together() -> None:
    header = ["email", *(f"t{n}" for n in range(20))]

    rejected = rejection(reader(header).read(record("a@example.com", *["x" * TRAIT_LIMIT] * 20)))

    assert rejected.fault is Fault.TOO_LONG
    assert f"{TRAITS_LIMIT_BYTES:,}" in rejected.message


def test_broken_row_is_rejected_for_its_quote() -> None:
    assert rejection(reader().read(record("a", is_broken=True))).fault is Fault.QUOTE


def test_two_hundred_columns_become_traits() -> None:
    header = ["email", *(f"Column {n}" for n in range(199))]

    person = reader(header).read(record("a@example.com", *map(str, range(199))))

    assert isinstance(person, Person)
    assert json.loads(person.traits)["column_198"] == "198"


def test_rows_of_a_rejects_file_lose_the_apostrophes_we_put_in() -> None:
    header = [*REJECT_COLUMNS, "email", "phone"]
    row = record("4", "email", "why", "'+tag@example.com", "'+49 30")

    person = reader(header).read(row)
    ordinary = reader(["email", "phone"]).read(record("a@example.com", "'+49 30"))

    assert isinstance(person, Person)
    assert isinstance(ordinary, Person)
    assert (person.address, person.traits) == ("+tag@example.com", '{"phone":"+49 30"}')
    assert ordinary.traits == '{"phone":"\'+49 30"}'


@given(st.text(st.sampled_from("'=+-@\t\rab"), max_size=6))
def test_escaped_cell_starts_no_formula_and_comes_back_whole(cell: str) -> None:
    escaped = escape_formula(cell)

    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescape_formula(escaped) == cell
