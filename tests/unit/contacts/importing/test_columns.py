from __future__ import annotations

import pytest

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.columns import (
    COLUMN_LIMIT,
    REJECT_COLUMNS,
    plan_columns,
    trait_key,
)
from apps.contacts.importing.dialect import sniff_delimiter


def targets(header: list[str], **chosen: str) -> list[str]:
    return [one.target for one in plan_columns(header, chosen=chosen).columns]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("email", "email"),
        ("E-Mail", "email"),
        ("\ufeffEmail Address", "email"),
        ("E-MAIL-ADRESSE", "email"),
        ("Correo electrónico", "email"),
        ("Courriel", "email"),
    ],
)
def test_header_is_known_by_its_synonyms(header: str, field: str) -> None:
    assert targets([header]) == [field]


def test_fields_and_traits_are_told_apart() -> None:
    found = targets(["Email", "Vorname", "Last Name", "Sprache", "Time Zone", "First Visit (Köln)"])

    assert found == [
        "email",
        "first_name",
        "last_name",
        "locale",
        "timezone",
        "traits.first_visit_köln",
    ]


def test_choice_overrules_the_name_by_header_or_place() -> None:
    plan = plan_columns(
        ["Email", "Mail 2", "Name", "Notes"],
        chosen={"mail 2": "email", "#1": "traits.old_mail", "Name": "first_name"},
        skipped=["#4"],
    )

    assert [one.target for one in plan.columns] == ["traits.old_mail", "email", "first_name", ""]


def test_nameless_columns_are_skipped_and_noted_and_those_at_the_end_forgotten() -> None:
    plan = plan_columns(["email", "", "city", "", ""], chosen={})

    assert [one.target for one in plan.columns] == ["email", "", "traits.city"]
    assert plan.notes() == ["column #2 has no name and is skipped"]


def test_column_about_leaving_is_pointed_out() -> None:
    notes = plan_columns(["email", "Unsubscribed At", "plan"], chosen={}).notes()

    assert len(notes) == 1
    assert "neither subscribes nor unsubscribes" in notes[0]


def test_rejected_rows_that_come_back_are_known() -> None:
    plan = plan_columns([*REJECT_COLUMNS, "email"], chosen={})

    assert plan.is_rejects_file
    assert [one.target for one in plan.columns] == ["", "", "", "email"]


@pytest.mark.parametrize(
    ("header", "chosen", "told"),
    [
        (["name", "city"], {}, "No column holds the email address. The columns are: name, city"),
        (["email", "E-Mail"], {}, "both become email"),
        (["email", "Plan", "plan"], {}, "both become traits.plan"),
        (["email", "First Visit", "first-visit"], {}, "both become traits.first_visit"),
        (["email", "a"], {"b": "first_name"}, "There is no column “b”"),
        (["email", "a", "a"], {"a": "first_name"}, "There are 2 columns “a”"),
        (["email", "a"], {"a": "surname"}, "no field of a contact"),
        (["email", "a"], {"a": "traits.Big Key"}, "no field of a contact"),
        (["email", "a"], {"#7": "locale"}, "There is no column “#7”"),
        (["email", "?!"], {}, "cannot be the name of a trait"),
        (["email", "x" * 65], {}, "cannot be the name of a trait"),
        (["anna@example.com", "Anna"], {}, "looks like a person"),
        (["email", *(f"c{n}" for n in range(COLUMN_LIMIT))], {}, "501 columns"),
    ],
)
def test_header_that_cannot_be_planned_is_refused(
    header: list[str], chosen: dict[str, str], told: str
) -> None:
    with pytest.raises(FileRefusedError) as refused:
        plan_columns(header, chosen=chosen)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("City", "city"),
        ("First Visit (Berlin)", "first_visit_berlin"),
        ("2024 Revenue", "_2024_revenue"),
        ("氏名", "氏名"),
        ("—", ""),
    ],
)
def test_trait_key_is_what_templates_can_name(header: str, key: str) -> None:
    assert trait_key(header) == key


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["email,name\n", "a@example.com,A\n"], ","),
        (["email;name\n", "a@example.com;A, B\n", "b@example.com;C, D, E\n"], ";"),
        (["email\tname\n", "a@example.com\tA;B\n"], "\t"),
        (["email|price\n", "a@example.com|1,50\n"], "|"),
        (["email;price;tax\n", "a@example.com;1,50;0,19\n"], ";"),
        (["email,notes\n", 'a@example.com,"x;y;z"\n', 'b@example.com,"x;y;z"\n'], ","),
        (["Kunde;Firma, Ort\n", "a@example.com;Acme, Köln\n", "b@example.com;Acme\n"], ";"),
        (["email\n", "a@example.com\n"], ","),
        (['"email";"note"\n', '"a@example.com";"open, and\n'], ";"),
        ([], ","),
    ],
)
def test_delimiter_is_the_one_the_header_and_rows_agree_on(
    lines: list[str], delimiter: str
) -> None:
    assert sniff_delimiter(lines) == delimiter
