"""Rejected rows come back so that they can be corrected and imported again."""

from __future__ import annotations

import csv
import stat

import pytest

from apps.contacts.importing import rejects
from apps.contacts.importing.merging import MergeCounts
from apps.contacts.models import Contact
from tests.integration.contacts.importing.conftest import Importer, people

pytestmark = pytest.mark.django_db


def rows(importer: Importer, delimiter: str = ",") -> list[list[str]]:
    with importer.rejects_path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_nothing_is_written_where_nothing_was_rejected(importer: Importer) -> None:
    summary = importer.run("email,name\n" + people(1, 2))

    assert summary.rejects_path is None
    assert list(importer.rejects_path.parent.iterdir()) == [importer.path]


def test_row_comes_back_as_it_was_with_line_field_and_reason(importer: Importer) -> None:
    importer.run(
        "E-Mail;First Name;Notes\r\n"
        "a@people.example;A;fine\r\n"
        'bad;"B ""b""";"one\r\ntwo; three"\r\n'
        f"c@people.example;{'x' * 151};\r\n"
        "d@people.example;D;x;y;z\r\n"
        'e@people.example;"E;open\r\n'
    )

    header, bad, long, many, broken = rows(importer, ";")
    assert header == [
        "rejected_line",
        "rejected_field",
        "rejected_reason",
        "E-Mail",
        "First Name",
        "Notes",
    ]
    assert bad == [
        "3",
        "email",
        "An address needs an @: write name@domain.",
        "bad",
        'B "b"',
        "one\r\ntwo; three",
    ]
    assert (long[0], long[1], long[4]) == ("5", "first_name", "x" * 151)
    assert many[3:] == ["d@people.example", "D", "x", "y", "z"]
    assert (broken[0], broken[3:]) == ("7", ["e@people.example", "E;open", ""])


def test_reason_holds_no_value_of_the_row(importer: Importer) -> None:
    importer.run(
        "email,first_name,locale,timezone\n"
        "secret.name@secret,x,,\n"
        "a@people.example,x,secret!,\n"
        "b@people.example,x,,secret/secret\n"
    )

    assert all("secret" not in row[2] for row in rows(importer))
    assert len(rows(importer)) == 4


def test_formulas_are_made_harmless_and_come_back_whole(importer: Importer) -> None:
    importer.run("email,phone,=cmd\n+bad,+49 30,=1+1\n")
    (header, row) = rows(importer)

    corrected = importer.rejected().replace("'+bad", "'+tag@people.example")
    summary = importer.run(corrected)

    assert header[-1] == "'=cmd"
    assert row[3:] == ["'+bad", "'+49 30", "'=1+1"]
    assert summary.counts == MergeCounts(created=1)
    contact = Contact.objects.get()
    assert contact.address == "+tag@people.example"
    assert contact.traits == {"phone": "+49 30", "cmd": "=1+1"}


def test_corrected_rows_are_imported_and_the_rest_comes_back_again(importer: Importer) -> None:
    importer.run("email,first_name\nbad1,A\nbad2,B\n")
    corrected = importer.rejected().replace("bad1", "one@people.example")

    summary = importer.run(corrected)

    assert summary.counts == MergeCounts(created=1)
    assert Contact.objects.get().traits == {}
    header, again = rows(importer)
    assert len(header) == 5
    assert again[3:] == ["bad2", "B"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "cp1252"])
def test_row_of_any_encoding_comes_back_in_utf8(importer: Importer, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""

    importer.run(f"{mark}email,name\nbad,Äöü\n".encode(encoding))

    assert rows(importer)[1][3:] == ["bad", "Äöü"]


def test_damaged_characters_come_back_as_question_marks(importer: Importer) -> None:
    good = "".join(f"p{n}@people.example,Müller\n" for n in range(30)).encode()

    summary = importer.run(
        b"email,name\n" + good + b"a@people.example,M\xfcller\nb@people.example,x\0y\n"
    )

    assert summary.rejected == {"broken_characters": 2}
    assert [row[3:] for row in rows(importer)[1:]] == [
        ["a@people.example", "M?ller"],
        ["b@people.example", "x?y"],
    ]


def test_damaged_column_name_comes_back_readable(importer: Importer) -> None:
    good = "".join(f"p{n}@people.example,Müller\n" for n in range(30)).encode()

    importer.run(b"email,St\xe4dte\n" + good + b"bad,x\n")

    assert rows(importer)[0][-1] == "St?dte"


def test_file_is_for_its_owner_only_and_replaces_an_older_one(importer: Importer) -> None:
    importer.rejects_path.write_text("older")

    importer.run("email\nbad\n")

    assert stat.S_IMODE(importer.rejects_path.stat().st_mode) == 0o600
    assert "bad" in importer.rejected()
    assert len(list(importer.rejects_path.parent.iterdir())) == 2


def test_more_rows_than_a_page_are_written(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "PAGE_ROWS", 3)

    importer.run("email\n" + "".join(f"bad{n}\n" for n in range(8)))

    assert [row[3] for row in rows(importer)[1:]] == [f"bad{n}" for n in range(8)]
