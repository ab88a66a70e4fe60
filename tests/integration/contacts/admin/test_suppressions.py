"""Suppressions in admin: who sees which, adding many, the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.brands.rights import Right
from apps.contacts.models import Suppression, SuppressionOrigin, SuppressionReason
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ContactFactory, SuppressionFactory

if TYPE_CHECKING:
    from django.test import Client

    from apps.brands.models import Brand
    from tests.integration.contacts.admin.conftest import LogIn

LIST = "/admin/contacts/suppression/"


def text(response: Any) -> str:
    return str(response.content.decode())


def given(owner: Brand, addresses: str, **changed: Any) -> dict[str, Any]:
    return {"brand": owner.pk, "reason": "blocked", "addresses": addresses, **changed}


def test_list_takes_the_same_queries_for_any_number(brand: Brand, superuser: Client) -> None:
    SuppressionFactory.create()
    with CaptureQueriesContext(connection) as few:
        superuser.get(LIST)
    for _ in range(20):
        SuppressionFactory.create(reason=SuppressionReason.BLOCKED, brand=brand)

    with CaptureQueriesContext(connection) as many:
        superuser.get(LIST)

    assert len(many) == len(few)


def test_pasted_addresses_are_suppressed_each_once(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    pasted = "Anna <Anna@people.example>; bert@people.example,\r\n\r\n anna@people.example\n"

    answer = anna.post(f"{LIST}add/", given(brand, pasted, note="by phone"), follow=True)

    found = Suppression.objects.order_by("address")
    assert "2 suppressed." in text(answer)
    assert [one.address for one in found] == ["anna@people.example", "bert@people.example"]
    assert {(one.origin, one.detail, one.brand_id) for one in found} == {
        (SuppressionOrigin.OPERATOR, "by phone", brand.pk)
    }


def test_bad_address_is_named_and_nobody_is_suppressed(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    answer = anna.post(f"{LIST}add/", given(brand, "anna@people.example\nnobody"))

    assert "No. 2, “nobody”" in text(answer)
    assert not Suppression.objects.exists()


def test_too_many_at_once_are_refused_by_their_limit(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    answer = anna.post(f"{LIST}add/", given(brand, "a@people.example\n" * 10_001))

    assert "at most 10,000" in text(answer)


def test_only_a_superuser_suppresses_for_all_brands(
    brand: Brand, log_in: LogIn, superuser: Client
) -> None:
    anna = log_in(brand, Right.EDIT)

    anna.post(f"{LIST}add/", given(brand, "anna@people.example", brand="all"))
    refused = Suppression.objects.exists()
    superuser.post(f"{LIST}add/", given(brand, "anna@people.example", brand="all"))

    assert not refused
    assert Suppression.objects.get().brand is None


def test_other_brand_cannot_be_chosen(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    anna.post(f"{LIST}add/", given(BrandFactory.create(), "anna@people.example"))

    assert not Suppression.objects.exists()


def test_viewer_neither_adds_nor_lifts(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.VIEW)
    held = SuppressionFactory.create(reason=SuppressionReason.BLOCKED, brand=brand)

    adding = anna.post(f"{LIST}add/", given(brand, "anna@people.example"))
    lifting = anna.post(f"{LIST}{held.pk}/lift/", {"note": "because"})

    held.refresh_from_db()
    assert (adding.status_code, lifting.status_code) == (403, 403)
    assert held.lifted_at is None


def test_block_is_lifted_with_a_note(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    held = SuppressionFactory.create(reason=SuppressionReason.BLOCKED, brand=brand)

    anna.post(f"{LIST}{held.pk}/lift/", {"note": "asked us to"})

    held.refresh_from_db()
    assert held.lifted_by.endswith(" anna")
    assert held.lift_note == "asked us to"


def test_complaint_offers_no_way_back(brand: Brand, superuser: Client) -> None:
    held = SuppressionFactory.create(reason=SuppressionReason.COMPLAINT, brand=brand)

    shown = text(superuser.get(f"{LIST}{held.pk}/change/"))
    answer = superuser.post(f"{LIST}{held.pk}/lift/", {"note": "please"}, follow=True)

    held.refresh_from_db()
    assert "Operators do not lift it" in shown
    assert "A complaint stays" in text(answer)
    assert held.lifted_at is None


@pytest.mark.parametrize("knows", [True, False])
def test_bounce_of_all_brands_is_seen_and_lifted_where_a_brand_knows_the_address(
    brand: Brand, log_in: LogIn, *, knows: bool
) -> None:
    anna = log_in(brand, Right.EDIT)
    held = SuppressionFactory.create(address="gone@people.example")
    ContactFactory.create(
        brand=brand if knows else BrandFactory.create(), email="gone@people.example"
    )

    listed = "gone@people.example" in text(anna.get(LIST))
    anna.post(f"{LIST}{held.pk}/lift/", {"note": "works again"})

    held.refresh_from_db()
    assert listed == knows
    assert (held.lifted_at is not None) == knows


def test_list_does_not_read_all_contacts_of_the_brand(brand: Brand, log_in: LogIn) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_contact (brand_id, email, address, status)"
            " SELECT %s, 'p' || n || '@p.example', 'p' || n || '@p.example', 'subscribed'"
            " FROM generate_series(1, 20000) n",
            [brand.pk],
        )
        cursor.execute(
            "INSERT INTO contacts_suppression (address, reason, origin)"
            " SELECT 'p' || n || '@p.example', 'hard_bounce', 'provider'"
            " FROM generate_series(1, 5000) n"
        )
        cursor.execute("ANALYZE contacts_contact, contacts_suppression")
    anna = log_in(brand, Right.VIEW)

    with CaptureQueriesContext(connection) as captured:
        anna.get(LIST)

    (page,) = [one["sql"] for one in captured if "LIMIT 50" in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + page)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "contact_once_per_brand" in plan
    assert "hashed" not in plan


def test_complaint_of_another_brand_is_not_there(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    other = SuppressionFactory.create(
        address="anna@people.example",
        reason=SuppressionReason.COMPLAINT,
        brand=BrandFactory.create(),
    )
    ContactFactory.create(brand=brand, email="anna@people.example")

    assert f"{LIST}{other.pk}/change/" not in text(anna.get(f"{LIST}?q=anna@people.example"))
    assert anna.get(f"{LIST}{other.pk}/change/").status_code == 404


def test_nothing_is_deleted(brand: Brand, superuser: Client) -> None:
    held = SuppressionFactory.create()

    assert superuser.post(f"{LIST}{held.pk}/delete/", {"post": "yes"}).status_code == 403
