"""The demo's file and history against the real import."""

from __future__ import annotations

import csv
import unicodedata
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from apps.contacts.addresses import normalise
from apps.contacts.models import Contact
from apps.station.demo import people
from apps.station.demo.history import write_history
from tests.factories.brands import BrandFactory

if TYPE_CHECKING:
    from pathlib import Path


def scripts(text: str) -> set[str]:
    """The scripts a text is written in, by the first words of its characters' names."""
    return {unicodedata.name(one, "?").split()[0] for one in text if one.isalpha()}


def test_people_are_the_same_every_time() -> None:
    assert people.people(300) == people.people()[:300]


def test_all_people_have_an_address_of_their_own() -> None:
    addresses = {normalise(one.email).address for one in people.people()}

    assert len(addresses) == people.PEOPLE


def test_names_are_written_in_many_scripts() -> None:
    found = scripts("".join(one.first_name + one.last_name for one in people.people(500)))

    assert found >= {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"}
    assert found >= {"CJK", "HANGUL", "HIRAGANA", "KATAKANA"}


def test_some_domains_are_internationalised() -> None:
    wire = [normalise(one.email).address for one in people.people()]

    assert sum(".example" in one and "@xn--" in one for one in wire) > 50


def test_file_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    rows = people.write_csv(path, people.people(200))

    with path.open(encoding="utf-8-sig", newline="") as file:
        read = list(csv.reader(file, delimiter=";"))

    assert tuple(read[0]) == people.HEADER
    assert len(read) == rows + 1
    assert {len(row) for row in read} == {len(people.HEADER)}


@pytest.mark.django_db
def test_import_takes_the_good_rows_and_rejects_the_others(tmp_path: Path) -> None:
    brand = BrandFactory.create()
    good = people.people(1_000)
    history = write_history(brand.pk, good)
    path, rejects = tmp_path / "people.csv", tmp_path / "rejected.csv"
    rows = people.write_csv(path, good)

    call_command(
        "import_contacts", str(path), brand=brand.slug, consent="Asked to", rejects=rejects
    )

    erased = history.suppressed["erased"]
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rejected = list(csv.reader(file, delimiter=";"))[1:]
    assert rows == 1_000 + len(people.bad_rows()) + people.DOUBLES
    assert len(rejected) == rows - 1_000 + erased
    imported = Contact.objects.of_brand(brand.pk).exclude(address__endswith="@former.example")
    assert imported.count() == 1_000 - erased
    assert imported.filter(status="unsubscribed").count() == history.left
    assert imported.filter(status="pending").count() == history.waiting
