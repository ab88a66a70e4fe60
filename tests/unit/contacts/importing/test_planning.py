from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from apps.contacts.errors import FileRefusedError
from apps.contacts.importing.planning import CONSENT_LIMIT, ImportOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from apps.contacts.importing.planning import ImportPlan

    MakePlan = Callable[..., ImportPlan]


def rows(plan: ImportPlan) -> list[list[str]]:
    return [one.cells for one in plan.records(start=plan.start, line=plan.line)]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("email,name\na@example.com,A\n", ","),
        ("\ufeffemail;name\r\na@example.com;A\r\n", ";"),
        ("sep=|\nemail|name\na@example.com|A\n", "|"),
        ("\n\r\nemail\tname\n\na@example.com\tA", "\t"),
        ('"email","name"\r"a@example.com","A"\r', ","),
    ],
)
def test_people_begin_behind_the_header(make_plan: MakePlan, content: str, delimiter: str) -> None:
    plan = make_plan(content)

    assert plan.delimiter == delimiter
    assert [row for row in rows(plan) if row != [""]] == [["a@example.com", "A"]]


def test_lines_are_counted_from_the_top_of_the_file(make_plan: MakePlan) -> None:
    plan = make_plan('\n"email","long\nname"\na@example.com,A\n')

    (record,) = plan.records(start=plan.start, line=plan.line)

    assert record.line == 4


def test_wide_file_is_read_like_any_other(make_plan: MakePlan) -> None:
    plan = make_plan("\ufeffemail;name\na@example.com;Änne 🙂\n".encode("utf-16-le"))

    assert rows(plan) == [["a@example.com", "Änne 🙂"]]


def test_windows_file_is_read_and_said_so(make_plan: MakePlan) -> None:
    plan = make_plan("email;name\na@example.com;Müller\n".encode("cp1252"))

    assert rows(plan) == [["a@example.com", "Müller"]]
    assert any("Windows-1252" in note for note in plan.notes())


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        ("email,name\n", {}, "no people"),
        ("email,name\n\n ,\n", {}, "no people"),
        ('email,"name\na@example.com,A\n', {}, "line 1, a quote is opened"),
        ("email\na@example.com\n", {"consent": " "}, "--consent"),
        ("email\na@example.com\n", {"consent": "x" * (CONSENT_LIMIT + 1)}, "at most 1,000"),
        ("email\na@example.com\n", {"delimiter": "x"}, "comma, semicolon"),
    ],
)
def test_file_that_cannot_be_imported_is_refused(
    make_plan: MakePlan, content: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(FileRefusedError, match=told):
        make_plan(content, **options)


def test_pending_people_need_no_consent(make_plan: MakePlan) -> None:
    assert make_plan("email\na@example.com\n", consent="", pending=True)


def test_file_that_changes_is_noticed(make_plan: MakePlan) -> None:
    plan = make_plan("email\na@example.com\n")
    plan.refuse_change()

    os.utime(plan.path, ns=(1, 1))

    with pytest.raises(FileRefusedError, match="changed while"):
        plan.refuse_change()


def test_options_have_one_digest_however_they_are_ordered() -> None:
    one = ImportOptions(consent="x", topics=("a", "b"), columns={"p": "email", "q": "locale"})
    same = ImportOptions(consent="x", topics=("b", "a"), columns={"q": "locale", "p": "email"})

    assert one.digest() == same.digest()
    assert one.digest() != ImportOptions(consent="y", topics=("a", "b")).digest()
