"""Who is found by the beginning of an address or a name, and by which index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from apps.contacts import searching, suppressing
from apps.contacts.models import SuppressionOrigin, SuppressionReason
from apps.contacts.searching import FOUND_AT_MOST, find_contacts, find_suppressions
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ContactFactory, SuppressionFactory
from tests.integration.contacts.conftest import NOW
from tests.integration.contacts.test_plans import explain

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "term",
    [
        "anna@people.example",
        "Anna@People.example",
        "Anna <anna@people.example>",
        "ann",
        "anna@p",
        "ANNA",
        "karen",
        "anna-kar",
        "Älv",
        "älv",
        "Anna-Karenina Älv",
        "Älvsborg Anna",
        "  anna  ",
    ],
)
def test_contact_is_found_by_address_or_names(brand: Brand, term: str) -> None:
    anna = ContactFactory.create(
        brand=brand,
        email="anna@people.example",
        first_name="Anna-Karenina",
        last_name="Karenin",
    )
    other = ContactFactory.create(
        brand=brand, email="x@people.example", first_name="Anna-Karenina", last_name="Älvsborg"
    )
    ContactFactory.create(
        brand=brand, email="bert@people.example", first_name="Bert", last_name="B"
    )

    found = find_contacts(term, brand_ids=[brand.pk])

    assert found
    assert set(found) <= {anna.pk, other.pk}


@pytest.mark.parametrize("term", ["", "   ", "%", "_nna", "a\\", "nna", "x" * 300, "\0"])
def test_what_begins_nothing_finds_nobody(brand: Brand, term: str) -> None:
    ContactFactory.create(brand=brand, email="anna@people.example", first_name="Anna")

    assert find_contacts(term, brand_ids=[brand.pk]) == []


def test_other_brands_are_not_searched(brand: Brand) -> None:
    ContactFactory.create(brand=BrandFactory.create(), email="anna@people.example")

    assert find_contacts("anna@people.example", brand_ids=[brand.pk]) == []
    assert find_contacts("anna", brand_ids=[]) == []


def test_no_more_are_found_than_can_be_looked_at(crowd: Brand) -> None:
    assert len(find_contacts("p", brand_ids=[crowd.pk])) == FOUND_AT_MOST


@pytest.fixture
def crowd(brand: Brand) -> Brand:
    with connection.cursor() as cursor:
        for table in ("contacts_contact", "contacts_suppression"):  # plans need no audit log
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO contacts_contact"
            " (brand_id, email, address, first_name, last_name, status)"
            " SELECT %s, 'p' || n || '@people.example', 'p' || n || '@people.example',"
            "        'First' || n, 'Last' || n, 'subscribed' FROM generate_series(1, 20000) n",
            [brand.pk],
        )
        cursor.execute(
            "INSERT INTO contacts_suppression (address, reason, origin, lifted_at, lifted_by)"
            " SELECT 'p' || n || '@people.example', 'hard_bounce', 'provider',"
            "        CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 0 THEN 'x' ELSE '' END"
            " FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE contacts_contact, contacts_suppression")
    return brand


@pytest.mark.parametrize(
    ("kind", "parameters", "index"),
    [
        (searching._EXACT, {"address": "p9@people.example"}, "contact_once_per_brand"),
        (searching._ADDRESS, {"prefix": "p99%"}, "contact_once_per_brand"),
        (searching._ADDRESS, {"prefix": "p%"}, "contact_once_per_brand"),
        (searching._FIRST_LAST, {"first": "First99%", "second": "%"}, "contact_first_last"),
        (searching._FIRST_LAST, {"first": "F%", "second": "%"}, "contact_first_last"),
        (searching._LAST_FIRST, {"first": "Last99%", "second": "F%"}, "contact_last_first"),
    ],
)
def test_each_search_walks_its_index(
    crowd: Brand, kind: tuple[str, str], parameters: dict[str, str], index: str
) -> None:
    plan = explain(searching._statement(kind), {"brands": [crowd.pk], **parameters})

    assert f"Scan using {index}" in plan or f"Scan on {index}" in plan
    assert "Seq Scan" not in plan


def test_suppressions_are_found_by_their_two_indexes(crowd: Brand) -> None:
    plan = explain(searching._SUPPRESSIONS, {"prefix": "p99%"})

    assert "suppression_active_address" in plan
    assert "suppression_lifted_address" in plan
    assert "Seq Scan" not in plan


def test_history_of_an_address_is_read_by_index(crowd: Brand) -> None:
    found = suppressing.find("p8@people.example")

    plan = found.explain()

    assert "suppression_lifted_address" in plan
    assert "Seq Scan" not in plan


def test_suppressions_are_found_by_beginning_active_and_lifted(brand: Brand) -> None:
    held = SuppressionFactory.create(address="anna@people.example")
    lifted = SuppressionFactory.create(
        address="anne@people.example", lifted_at=NOW, lifted_by="bert"
    )
    SuppressionFactory.create(address="bert@people.example")

    assert sorted(find_suppressions("ANN")) == [held.pk, lifted.pk]
    assert find_suppressions("anna@people.example") == [held.pk]
    assert find_suppressions(" ") == []


def test_erased_person_is_found_by_the_whole_address(brand: Brand) -> None:
    suppressing.suppress(
        address="anna@people.example",
        reason=SuppressionReason.ERASED,
        origin=SuppressionOrigin.PERSON,
        now=NOW,
    )

    assert len(find_suppressions("Anna@people.example")) == 1
    assert find_suppressions("anna@") == []
