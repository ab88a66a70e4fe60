"""Contacts as CSV: what a line holds, and a file that is gone on with."""

from __future__ import annotations

import csv
import stat
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.contacts.errors import FileRefusedError
from apps.contacts.exporting import rows, writing
from apps.contacts.exporting.rows import lay_out, read_pages
from apps.contacts.models import Contact, ContactStatus, SuppressionReason, TopicState
from tests.factories.brands import BrandFactory
from tests.factories.contacts import (
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

    from apps.brands.models import Brand
    from apps.contacts.models import ContactQuerySet

pytestmark = pytest.mark.django_db
QUESTION = {"brand": "x"}


def exported(contacts: ContactQuerySet) -> list[dict[str, str]]:
    layout = lay_out(contacts)
    pages = read_pages(contacts, layout)
    return _parsed(layout.header() + "".join(page.text for page in pages))


def _parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))


def of(brand: Brand) -> ContactQuerySet:
    return Contact.objects.of_brand(brand.pk)


def test_line_tells_person_topics_suppressions_and_traits(brand: Brand) -> None:
    contact = ContactFactory.create(
        brand=brand, email="Anna@people.example", traits={"city": "Graz", "visits": 3}
    )
    TopicSubscriptionFactory.create(
        contact=contact, topic=TopicFactory.create(brand=brand, slug="weekly")
    )
    TopicSubscriptionFactory.create(
        contact=contact,
        topic=TopicFactory.create(brand=brand, slug="offers"),
        state=TopicState.OPT_OUT,
    )
    SuppressionFactory.create(address=contact.address)
    SuppressionFactory.create(
        address=contact.address, brand=BrandFactory.create(), reason=SuppressionReason.COMPLAINT
    )

    (line,) = exported(of(brand))

    assert line["email"] == "Anna@people.example"
    assert (line["status"], line["brand"]) == ("subscribed", brand.slug)
    assert (line["topics"], line["suppressed"]) == ("weekly", "hard_bounce")
    assert (line["traits.city"], line["traits.visits"]) == ("Graz", "3")


@pytest.mark.parametrize("text", ["=1+1", "+49", "-2", "@cmd", "\tx", "'=x"])
def test_cell_that_starts_a_formula_is_escaped(brand: Brand, text: str) -> None:
    ContactFactory.create(brand=brand, first_name=text, traits={"=key": text})

    (line,) = exported(of(brand))

    assert line["first_name"] == f"'{text}"
    assert line["traits.=key"] == f"'{text}"


def test_many_traits_share_a_column(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "TRAIT_COLUMNS", 1)
    ContactFactory.create(brand=brand, traits={"a": "1", "b": "2"})

    (line,) = exported(of(brand))

    assert (line["traits.a"], line["more_traits"]) == ("1", '{"b": "2"}')


def test_page_of_any_size_takes_three_queries(
    brand: Brand, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        contact = ContactFactory.create(brand=brand)
        TopicSubscriptionFactory.create(contact=contact)
    layout = lay_out(of(brand))
    pages = read_pages(of(brand), layout)

    with django_assert_num_queries(3):
        page = next(pages)

    assert page.rows == 20


class _KilledError(BaseException):
    pass


def _export(brand: Brand, path: Path, **options: Any) -> int:
    return writing.export_to_file(contacts=of(brand), question=QUESTION, path=path, **options)


def test_killed_export_goes_on_and_is_whole(
    brand: Brand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS", 3)
    for _ in range(8):
        ContactFactory.create(brand=brand)
    path, whole = tmp_path / "people.csv", tmp_path / "whole.csv"

    def die(progress: writing.ExportProgress) -> None:
        if progress.rows == 3:
            partial = tmp_path / ".people.csv.partial"
            with partial.open("ab") as target:
                target.write(b"half a li")
            raise _KilledError

    with pytest.raises(_KilledError):
        _export(brand, path, on_progress=die)
    assert writing.goes_on_at(path, QUESTION) == 3
    ContactFactory.create(brand=brand)  # joins meanwhile
    written = _export(brand, path)
    Contact.objects.order_by("-pk").first().delete()  # type: ignore[union-attr] # there are some
    _export(brand, whole)

    assert written == 8
    assert path.read_bytes() == whole.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["people.csv", "whole.csv"]


def test_file_is_for_its_owner_alone(brand: Brand, tmp_path: Path) -> None:
    ContactFactory.create(brand=brand)

    _export(brand, tmp_path / "people.csv")

    assert stat.S_IMODE((tmp_path / "people.csv").stat().st_mode) == 0o600


def test_file_that_is_there_is_not_overwritten(brand: Brand, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("precious")

    with pytest.raises(FileRefusedError, match="exists"):
        _export(brand, path)

    assert path.read_text() == "precious"


def test_unfinished_export_of_another_question_is_not_gone_on_with(
    brand: Brand, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    ContactFactory.create(brand=brand)

    def die(_: writing.ExportProgress) -> None:
        raise _KilledError

    with pytest.raises(_KilledError):
        _export(brand, path, on_progress=die)

    with pytest.raises(FileRefusedError, match="--restart"):
        writing.export_to_file(contacts=of(brand), question={"brand": "y"}, path=path)
    written = writing.export_to_file(
        contacts=of(brand), question={"brand": "y"}, path=path, restart=True
    )
    assert written == 1


def test_command_exports_what_its_filters_say(
    brand: Brand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = TopicFactory.create(brand=brand, slug="weekly")
    wanted = ContactFactory.create(brand=brand, email="anna@people.example")
    TopicSubscriptionFactory.create(contact=wanted, topic=topic)
    ContactFactory.create(brand=brand, email="anne@people.example")
    left = ContactFactory.create(
        brand=brand, email="anno@people.example", status=ContactStatus.UNSUBSCRIBED
    )
    TopicSubscriptionFactory.create(contact=left, topic=topic)
    ContactFactory.create(brand=BrandFactory.create(), email="ann@people.example")
    path = tmp_path / "people.csv"

    call_command(
        "export_contacts", path, brand=brand.slug, topic="weekly", status="subscribed", search="ann"
    )

    lines = _parsed(path.read_text(encoding="utf-8"))
    assert [line["email"] for line in lines] == ["anna@people.example"]
    assert "1 contacts exported" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"brand": "nobody"}, "no brand"),
        ({"topic": "nothing"}, "no topic"),
    ],
)
def test_command_refuses_what_there_is_not(
    brand: Brand, tmp_path: Path, options: dict[str, str], told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("export_contacts", tmp_path / "x.csv", **{"brand": brand.slug, **options})


def test_command_does_not_export_half_a_search(
    brand: Brand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.contacts.management.commands.export_contacts.FOUND_AT_MOST", 1)
    ContactFactory.create(brand=brand, email="anna@people.example")

    with pytest.raises(CommandError, match="type more"):
        call_command("export_contacts", tmp_path / "x.csv", brand=brand.slug, search="ann")
