from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from rich.console import Console

from apps.contacts.importing import running, staging
from apps.contacts.importing.console import BarDisplay, PlainDisplay, make_display
from apps.contacts.importing.reading import Phase, Progress
from apps.contacts.models import Contact, FileImport
from tests.factories.contacts import ContactFactory, SuppressionFactory, TopicFactory
from tests.integration.contacts.importing.conftest import CONSENT, Importer, people

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


def run(importer: Importer, *arguments: str, consent: str = CONSENT) -> str:
    out = StringIO()
    call_command(
        "import_contacts",
        str(importer.path),
        "--brand",
        importer.brand.slug,
        "--consent",
        consent,
        *arguments,
        stdout=out,
    )
    return out.getvalue()


def number(output: str, name: str) -> str:
    (line,) = (one for one in output.splitlines() if one.strip("│ ").startswith(name))
    return line.split("│")[2].strip()


def test_plan_is_shown_before_and_the_counts_after(importer: Importer) -> None:
    TopicFactory.create(brand=importer.brand, slug="news")
    ContactFactory.create(brand=importer.brand, email="p1@people.example", status="unsubscribed")
    SuppressionFactory.create(address="p2@people.example")
    importer.path.write_bytes(
        f"E-Mail;Vorname;Größe\n{people(1, 3).replace(',', ';')}bad;x;y\n".encode("cp1252")
    )

    output = run(importer, "--topic", "news", "--map", "Größe=traits.size")

    plan, result = output.split("What happened")
    for told in (
        "people.csv",
        "cp1252",
        "semicolon",
        "E-Mail → email",
        "Vorname → first_name",
        "Größe → traits.size",
        "fill: only empty fields",
        "nobody who left is subscribed again",
        CONSENT,
        "news",
        "read as Windows-1252",
    ):
        assert told in plan
    assert number(result, "read") == "4"
    assert number(result, "created") == "2"
    assert number(result, "rejected") == "1"
    assert number(result, "email_invalid") == "1"
    assert number(result, "suppressed") == "1"
    assert number(result, "unsubscribed") == "1"
    assert str(importer.path.with_name("people.rejected.csv")) in result


def test_dry_run_changes_nothing(importer: Importer) -> None:
    importer.path.write_text("email\n" + "p@people.example\n")

    output = run(importer, "--dry-run")

    assert number(output.split("What would happen")[1], "created") == "1"
    assert not Contact.objects.exists()
    assert not FileImport.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--map", "Name"], "is not COLUMN=FIELD"),
        (["--map", "Nome=first_name"], "The columns are: email, Name"),
        (["--skip-column", "City"], "There is no column"),
        (["--topic", "nothing"], "no topic nothing"),
        (["--encoding", "nonsense"], "no text encoding"),
        (["--resume"], "no unfinished import"),
    ],
)
def test_wrong_wishes_are_refused_with_what_to_do(
    importer: Importer, arguments: list[str], told: str
) -> None:
    importer.path.write_text("email,Name\na@people.example,A\n")

    with pytest.raises(CommandError, match=told) as refused:
        run(importer, *arguments)

    assert refused.value.returncode == 1
    assert not FileImport.objects.exists()


def test_consent_is_asked_for(importer: Importer) -> None:
    importer.path.write_text("email\na@people.example\n")

    with pytest.raises(CommandError, match="--consent"):
        run(importer, consent="")
    run(importer, "--pending", consent="")
    assert Contact.objects.get().status == "pending"


def test_unknown_brand_is_refused_with_those_there_are(importer: Importer, brand: Brand) -> None:
    importer.path.write_text("email\na@people.example\n")

    with pytest.raises(CommandError, match=f"The brands are: {brand.slug}"):
        call_command("import_contacts", str(importer.path), "--brand", "x", "--consent", "x")


def stop_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """The second chunk meets the error."""
    copy, seen = staging.copy, []

    def stop(table: str, chunk: Any) -> None:
        seen.append(chunk)
        if len(seen) > 1:
            raise error
        copy(table, chunk)

    importer.path.write_text("email,name\n" + people(1, 25))
    monkeypatch.setattr(staging, "CHUNK_ROWS", 10)
    monkeypatch.setattr(staging, "copy", stop)


@pytest.mark.parametrize("again", [[], ["--resume"], ["--restart"]])
def test_interrupted_import_goes_on_or_begins_anew(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, again: list[str]
) -> None:
    with monkeypatch.context() as patched:
        stop_once(importer, patched, KeyboardInterrupt)
        with pytest.raises(SystemExit) as ended:
            run(importer)

    output = run(importer, *again)

    assert ended.value.code == 130
    assert ("goes on" in output) == (again != ["--restart"])
    assert number(output, "created") == "25"
    assert FileImport.objects.count() == (2 if again == ["--restart"] else 1)


def test_lost_database_is_told_with_a_code_of_its_own(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_once(importer, monkeypatch, OperationalError)

    with pytest.raises(CommandError, match="Give the same command again") as ended:
        run(importer)

    assert ended.value.returncode == 75


def test_file_cannot_write_to_the_terminal(importer: Importer) -> None:
    importer.path.write_text("email,[red]\x1b[31mName\na@people.example,A\n")

    output = run(importer)

    assert "\x1b" not in output
    assert "[red]" in output


def test_person_at_a_terminal_sees_a_bar_and_a_log_sees_lines() -> None:
    for is_terminal, expected in ((True, BarDisplay), (False, PlainDisplay)):
        out = StringIO()
        display = make_display(Console(file=out, force_terminal=is_terminal, width=120))
        assert isinstance(display, expected)
        with display:
            for phase, done in ((Phase.READING, 50), (Phase.READING, 100), (Phase.MERGING, 100)):
                display(Progress(phase, done, 100, 2000))
        assert "2,000 rows" in out.getvalue()
        assert "merging" in out.getvalue()


def test_unfinished_import_is_looked_for_by_file_and_options(importer: Importer) -> None:
    assert running.find_unfinished(importer.plan("email\na@people.example\n")) is None
