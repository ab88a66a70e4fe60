"""Contacts in admin: the list, a person's page, what may be done there and by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.brands.rights import Right
from apps.contacts.admin import sections
from apps.contacts.admin.sections import Section, register_section
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    ConsentSource,
    Contact,
    ContactStatus,
    SuppressionReason,
    TopicState,
)
from tests.factories.brands import BrandFactory
from tests.factories.contacts import (
    ConsentRecordFactory,
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import Client

    from apps.brands.models import Brand
    from tests.integration.contacts.admin.conftest import LogIn

LIST = "/admin/contacts/contact/"


def page(contact: Contact, name: str = "change") -> str:
    return reverse(f"admin:contacts_contact_{name}", args=[contact.pk])


def text(response: Any) -> str:
    return str(response.content.decode())


def crowd(brand: Brand, number: int) -> None:
    topic = TopicFactory.create(brand=brand)
    for _ in range(number):
        contact = ContactFactory.create(brand=brand)
        TopicSubscriptionFactory.create(contact=contact, topic=topic)
        SuppressionFactory.create(address=contact.address)


def test_list_takes_the_same_queries_for_any_number(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.VIEW)
    crowd(brand, 2)
    with CaptureQueriesContext(connection) as few:
        anna.get(LIST)
    crowd(brand, 30)

    with CaptureQueriesContext(connection) as many:
        shown = text(anna.get(LIST))

    assert len(many) == len(few) <= 13
    assert shown.count("the address does not exist") == 32


@pytest.mark.parametrize("query", ["", "?status=pending", "?topic={topic}", "?q=person"])
def test_no_statement_of_the_list_reads_all_contacts(
    brand: Brand, log_in: LogIn, query: str
) -> None:
    topic = TopicFactory.create(brand=brand)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_contact (brand_id, email, address, status)"
            " SELECT %s, 'person' || n || '@p.example', 'person' || n || '@p.example',"
            " CASE WHEN n %% 1000 = 0 THEN 'pending' ELSE 'subscribed' END"
            " FROM generate_series(1, 30000) n",
            [brand.pk],
        )
        cursor.execute(
            "INSERT INTO contacts_topicsubscription (contact_id, topic_id, state)"
            " SELECT id, %s, 'opt_in' FROM contacts_contact WHERE id %% 3 = 0",
            [topic.pk],
        )
        cursor.execute("ANALYZE contacts_contact, contacts_topicsubscription")
    anna = log_in(brand, Right.VIEW)

    with CaptureQueriesContext(connection) as captured:
        answer = anna.get(LIST + query.format(topic=topic.pk))

    assert answer.status_code == 200
    assert "person" in text(answer)
    reading = [one["sql"] for one in captured if one["sql"].startswith(("SELECT", "\nSELECT"))]
    plans = "\n".join(map(_plan, reading))
    assert "Index" in plans
    assert "Seq Scan on contacts_contact" not in plans
    assert "Seq Scan on contacts_topicsubscription" not in plans


def _plan(statement: str) -> str:
    if "count(" in statement.lower():
        return ""  # EstimatedPaginator counts only what is cheap to count
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"), [])
        return "\n".join(line for (line,) in cursor.fetchall())


def test_contacts_of_other_brands_are_not_there(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    other = ContactFactory.create(brand=BrandFactory.create(), email="secret@people.example")

    answers = {
        "list": text(anna.get(LIST)),
        "search": text(anna.get(f"{LIST}?q=secret@people.example")),
        "export": b"".join(anna.get(f"{LIST}export/").streaming_content).decode(),  # type: ignore[attr-defined]
    }

    # The term itself stands in the search field.
    assert "secret" not in answers["list"] + answers["export"]
    assert page(other) not in answers["search"]
    for name in ("change", "erase"):
        assert anna.get(page(other, name)).status_code == 404
    for name in ("details", "wishes", "erase"):
        assert anna.post(page(other, name), {}).status_code == 404


def test_person_page_takes_the_same_queries_for_any_history(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    contact = ContactFactory.create(brand=brand)
    ConsentRecordFactory.create(contact=contact, kind=ConsentKind.IMPORTED, detail="import 1")
    SuppressionFactory.create(address=contact.address)
    with CaptureQueriesContext(connection) as few:
        anna.get(page(contact))
    for _ in range(10):
        one = TopicSubscriptionFactory.create(contact=contact)
        ConsentRecordFactory.create(contact=contact, kind=ConsentKind.TOPIC_OPT_IN, topic=one.topic)
        SuppressionFactory.create(
            address=contact.address,
            reason=SuppressionReason.BLOCKED,
            brand=brand,
            lifted_at=NOW,
            lifted_by="bert",
        )

    with CaptureQueriesContext(connection) as many:
        shown = text(anna.get(page(contact)))

    assert len(many) == len(few) <= 26
    assert "Opted in to a topic" in shown
    assert "Suppression lifted" in shown


def test_person_page_tells_what_reaches_them_and_why_not(brand: Brand, superuser: Client) -> None:
    contact = ContactFactory.create(brand=brand)
    SuppressionFactory.create(address=contact.address, detail="event evt_1")

    shown = text(superuser.get(page(contact)))

    assert shown.count('<span class="people-label bad">no</span>') == 3
    assert "the address does not exist" in shown
    assert "event evt_1" in shown


def test_section_of_a_room_above_is_shown(
    brand: Brand, superuser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_request: HttpRequest, _contact: Contact) -> None:
        return None

    def some(_request: HttpRequest, contact: Contact) -> dict[str, Any]:
        return {"key": "address", "value": contact.address}

    monkeypatch.setattr(sections, "_sections", {})
    template = "unfold/helpers/label.html"
    register_section(Section("mail", "Their mail", template, some))
    register_section(Section("texts", "Their texts", template, none))
    contact = ContactFactory.create(brand=brand)

    shown = text(superuser.get(page(contact)))

    assert "Their mail" in shown
    assert "Their texts" not in shown


def test_viewer_sees_everything_and_changes_nothing(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.VIEW)
    contact = ContactFactory.create(brand=brand, traits={"city": "Graz"})

    shown = text(anna.get(page(contact)))

    assert "Graz" in shown
    assert "Save" not in shown
    assert "Erase" not in shown
    for name in ("details", "wishes", "erase"):
        assert anna.post(page(contact, name), {}).status_code == 403
    assert anna.get(f"{LIST}export/").status_code == 403
    assert anna.get(f"{LIST}add/").status_code == 403


def details(**changed: Any) -> dict[str, Any]:
    return {
        "first_name": "Anna",
        "last_name": "",
        "locale": "de-AT",
        "timezone": "Europe/Vienna",
        "traits_key": ["visits", "city", ""],
        "traits_value": ["13", "", ""],
        **changed,
    }


def test_details_and_traits_are_saved(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    contact = ContactFactory.create(brand=brand, traits={"city": "Graz", "visits": 12})

    answer = anna.post(page(contact, "details"), details())

    contact.refresh_from_db()
    assert answer.status_code == 302
    assert (contact.first_name, contact.locale) == ("Anna", "de-AT")
    assert contact.traits == {"visits": 13}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"timezone": "Mars"}, "write it like Europe/Berlin"),
        ({"traits_key": ["a", "a"], "traits_value": ["1", "2"]}, "stands there twice"),
        ({"traits_key": [""], "traits_value": ["1"]}, "needs a name"),
    ],
)
def test_wrong_detail_is_told_beside_its_field(
    brand: Brand, log_in: LogIn, changed: dict[str, Any], told: str
) -> None:
    anna = log_in(brand, Right.EDIT)
    contact = ContactFactory.create(brand=brand, first_name="Before")

    answer = anna.post(page(contact, "details"), details(**changed))

    contact.refresh_from_db()
    assert answer.status_code == 200
    assert told in text(answer)
    assert contact.first_name == "Before"


def test_wishes_are_followed_with_evidence(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    weekly, offers = TopicFactory.create(brand=brand), TopicFactory.create(brand=brand)
    contact = ContactFactory.create(brand=brand)
    TopicSubscriptionFactory.create(contact=contact, topic=weekly)
    wanted = {
        "status": "unsubscribed",
        f"topic_{weekly.pk}": "opt_out",
        f"topic_{offers.pk}": "",
        "told": "called us",
    }

    anna.post(page(contact, "wishes"), wanted)

    contact.refresh_from_db()
    records = ConsentRecord.objects.order_by("pk")
    assert contact.status == ContactStatus.UNSUBSCRIBED
    assert contact.topics.get().state == TopicState.OPT_OUT
    assert [one.kind for one in records] == [ConsentKind.UNSUBSCRIBED, ConsentKind.TOPIC_OPT_OUT]
    assert {(one.source, one.text_shown) for one in records} == {
        (ConsentSource.OPERATOR, "called us")
    }
    assert all(one.detail.endswith(" anna") for one in records)


def test_person_who_left_comes_back_by_their_own_wish(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    contact = ContactFactory.create(brand=brand, status=ContactStatus.UNSUBSCRIBED)

    anna.post(page(contact, "wishes"), {"status": "subscribed", "told": "wrote a letter"})

    contact.refresh_from_db()
    assert contact.status == ContactStatus.SUBSCRIBED
    assert ConsentRecord.objects.get().text_shown == "wrote a letter"


def test_wish_without_evidence_is_not_followed(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    contact = ContactFactory.create(brand=brand)

    answer = anna.post(page(contact, "wishes"), {"status": "unsubscribed", "told": " "})

    contact.refresh_from_db()
    assert answer.status_code == 200
    assert contact.status == ContactStatus.SUBSCRIBED


def new(brand: Brand, **changed: Any) -> dict[str, Any]:
    given = {"brand": brand.pk, "email": "New@people.example", "told": "at the fair"}
    return {**details(), **given, **changed}


def test_contact_is_added(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    answer = anna.post(f"{LIST}add/", new(brand))

    contact = Contact.objects.get()
    assert answer["Location"] == page(contact)
    assert (contact.address, contact.status) == ("new@people.example", ContactStatus.SUBSCRIBED)


def test_known_contact_is_pointed_to(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)
    known = ContactFactory.create(brand=brand, email="new@people.example")

    answer = anna.post(f"{LIST}add/", new(brand))

    assert page(known) in text(answer)
    assert Contact.objects.count() == 1


def test_contact_of_a_brand_without_right_is_not_added(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    answer = anna.post(f"{LIST}add/", new(BrandFactory.create()))

    assert answer.status_code == 200
    assert not Contact.objects.exists()


def test_new_contact_needs_consent_or_waits(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT)

    refused = anna.post(f"{LIST}add/", new(brand, told=""))
    anna.post(f"{LIST}add/", new(brand, told="", pending="pending"))

    assert "Say how they agreed" in text(refused)
    assert Contact.objects.get().status == ContactStatus.PENDING


def test_person_is_erased_after_the_address_was_typed(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.ERASE)
    contact = ContactFactory.create(brand=brand, email="Anna@people.example")

    wrong = anna.post(page(contact, "erase"), {"typed": "bert@people.example"})
    contact.refresh_from_db()
    kept = contact.erased_at
    anna.post(page(contact, "erase"), {"typed": "anna@people.example"})

    contact.refresh_from_db()
    assert "another address" in text(wrong)
    assert kept is None
    assert contact.erased_at is not None
    assert "people.example" not in contact.address


def test_editor_without_the_right_erases_nobody(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EDIT, Right.EXPORT)
    contact = ContactFactory.create(brand=brand, email="anna@people.example")

    answer = anna.post(page(contact, "erase"), {"typed": "anna@people.example"})

    contact.refresh_from_db()
    assert answer.status_code == 403
    assert contact.erased_at is None


def test_erasing_needs_the_right_on_every_brand_that_knows_the_person(
    brand: Brand, log_in: LogIn
) -> None:
    anna = log_in(brand, Right.ERASE)
    contact = ContactFactory.create(brand=brand, email="anna@people.example")
    ContactFactory.create(brand=BrandFactory.create(), email="anna@people.example")

    answer = anna.post(page(contact, "erase"), {"typed": "anna@people.example"})

    contact.refresh_from_db()
    assert answer.status_code == 403
    assert contact.erased_at is None


def test_erased_contact_can_only_be_looked_at(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, *Right)
    contact = ContactFactory.create(brand=brand, erased_at=NOW, first_name="")

    shown = text(anna.get(page(contact)))
    anna.post(page(contact, "details"), details())
    anna.post(page(contact, "wishes"), {"status": "unsubscribed", "told": "x"})

    contact.refresh_from_db()
    assert "had all traces removed" in shown
    assert (contact.first_name, contact.status) == ("", ContactStatus.SUBSCRIBED)


def test_export_holds_the_filtered_list_of_brands_with_the_right(
    brand: Brand, log_in: LogIn
) -> None:
    anna = log_in(brand, Right.EXPORT)
    ContactFactory.create(brand=brand, email="in@people.example", status=ContactStatus.PENDING)
    ContactFactory.create(brand=brand, email="out@people.example")

    answer = anna.get(f"{LIST}export/?status=pending")

    lines = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith('attachment; filename="contacts-')
    assert "in@people.example" in lines
    assert "out@people.example" not in lines


def test_export_leaves_out_brands_that_may_only_be_viewed(brand: Brand, log_in: LogIn) -> None:
    anna = log_in(brand, Right.EXPORT)
    viewed = BrandFactory.create()
    anna_again = log_in(viewed, Right.VIEW, name="bert")
    ContactFactory.create(brand=viewed, email="viewed@people.example")

    lines = b"".join(anna.get(f"{LIST}export/").streaming_content)  # type: ignore[attr-defined]

    assert b"viewed" not in lines
    assert anna_again.get(f"{LIST}export/").status_code == 403


def test_search_that_is_cut_is_not_exported_as_if_it_were_all(
    brand: Brand, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.contacts.admin.contacts.FOUND_AT_MOST", 1)
    anna = log_in(brand, Right.EXPORT)
    ContactFactory.create(brand=brand, email="anna@people.example")

    answer = anna.get(f"{LIST}export/?q=ann", follow=True)

    assert "would not be all" in text(answer)


def test_nobody_is_deleted(brand: Brand, superuser: Client) -> None:
    contact = ContactFactory.create(brand=brand)

    assert superuser.post(page(contact, "delete"), {"post": "yes"}).status_code == 403
    assert Contact.objects.exists()
