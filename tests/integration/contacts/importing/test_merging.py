"""What an import makes of the contacts that are there."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, connections, transaction

from apps.contacts import suppressing
from apps.contacts.importing import merging
from apps.contacts.importing.merging import MergeCounts, OnConflict
from apps.contacts.importing.people import Fault
from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    ConsentSource,
    Contact,
    ContactStatus,
    SuppressionOrigin,
    SuppressionReason,
    TopicState,
    TopicSubscription,
)
from tests.factories.contacts import (
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)
from tests.integration.contacts.conftest import NOW
from tests.integration.contacts.importing.conftest import CONSENT, Importer, people, staging_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
FILE = "email,first_name,last_name,locale,timezone,plan,city\n"
ANNA = "Anna@people.example,Anna,Muster,de,Europe/Berlin,pro,Köln\n"


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows an import may touch, with their physical versions."""
    tables = (
        "contacts_contact",
        "contacts_consentrecord",
        "contacts_topicsubscription",
        "contacts_suppression",
    )
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT to_jsonb(t), xmin, ctid::text FROM {table} t ORDER BY id")
            found[table] = cursor.fetchall()
    return found


def test_new_people_arrive_with_traits_and_evidence(importer: Importer) -> None:
    summary = importer.run(FILE + ANNA)

    contact = Contact.objects.get()
    record = ConsentRecord.objects.get()
    assert summary.counts == MergeCounts(created=1)
    assert (contact.email, contact.address) == ("Anna@people.example", "anna@people.example")
    assert (contact.first_name, contact.last_name) == ("Anna", "Muster")
    assert (contact.locale, contact.timezone) == ("de", "Europe/Berlin")
    assert contact.traits == {"plan": "pro", "city": "Köln"}
    assert (contact.status, contact.created_at) == (ContactStatus.SUBSCRIBED, NOW)
    assert (record.kind, record.source) == (ConsentKind.IMPORTED, ConsentSource.IMPORT)
    assert (record.text_shown, record.occurred_at) == (CONSENT, NOW)
    assert record.detail == f"import {summary.import_id}"


def test_same_file_twice_writes_nothing(importer: Importer) -> None:
    TopicFactory.create(brand=importer.brand, slug="news")
    SuppressionFactory.create(address="p3@people.example")
    content = FILE + ANNA + people(1, 50) + "bad,x\n" + people(7, 7)
    importer.run(content, topics=("news",))
    before = everything()

    for on_conflict in OnConflict:
        again = importer.run(content, now=LATER, topics=("news",), on_conflict=on_conflict)

        assert again.counts == MergeCounts(unchanged=51, suppressed=1)
        assert everything() == before
    assert staging_tables() == []


def test_pending_people_arrive_without_consent(importer: Importer) -> None:
    importer.run(FILE + ANNA, consent="", pending=True)

    assert Contact.objects.get().status == ContactStatus.PENDING
    assert ConsentRecord.objects.get().text_shown == ""


@pytest.mark.parametrize("status", list(ContactStatus))
def test_nobody_who_is_there_is_subscribed_again(importer: Importer, status: ContactStatus) -> None:
    TopicFactory.create(brand=importer.brand, slug="news")
    contact = ContactFactory.create(
        brand=importer.brand, email="anna@people.example", status=status, status_changed_at=NOW
    )

    summary = importer.run(
        FILE + ANNA, now=LATER, topics=("news",), on_conflict=OnConflict.OVERWRITE
    )

    contact.refresh_from_db()
    left = status == ContactStatus.UNSUBSCRIBED
    assert (contact.status, contact.status_changed_at) == (status, NOW)
    assert (summary.counts.updated, summary.counts.unsubscribed_kept) == (1, int(left))
    assert TopicSubscription.objects.count() == (0 if left else 1)
    assert not ConsentRecord.objects.filter(kind=ConsentKind.IMPORTED).exists()


def known(importer: Importer) -> Contact:
    return ContactFactory.create(
        brand=importer.brand,
        email="ANNA@people.example",
        first_name="Annette",
        last_name="",
        traits={"plan": "free", "since": "2020"},
    )


def test_filling_leaves_what_is_there(importer: Importer) -> None:
    contact = known(importer)

    summary = importer.run(FILE + ANNA, now=LATER)

    contact.refresh_from_db()
    assert summary.counts == MergeCounts(updated=1)
    assert (contact.email, contact.first_name, contact.last_name) == (
        "ANNA@people.example",
        "Annette",
        "Muster",
    )
    assert contact.traits == {"plan": "free", "since": "2020", "city": "Köln"}
    assert contact.updated_at == LATER


def test_overwriting_lets_the_file_win(importer: Importer) -> None:
    contact = known(importer)

    importer.run(FILE + ANNA, now=LATER, on_conflict=OnConflict.OVERWRITE)

    contact.refresh_from_db()
    assert (contact.email, contact.first_name) == ("Anna@people.example", "Anna")
    assert contact.traits == {"plan": "pro", "since": "2020", "city": "Köln"}


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_empty_cell_never_erases(importer: Importer, on_conflict: OnConflict) -> None:
    importer.run(FILE + ANNA)
    before = everything()

    summary = importer.run(FILE + "Anna@people.example,,,,,,\n", now=LATER, on_conflict=on_conflict)

    assert summary.counts == MergeCounts(unchanged=1)
    assert everything() == before


def test_first_of_doubles_counts_and_the_others_name_its_line(importer: Importer) -> None:
    summary = importer.run(
        "email,name\na@people.example,1\nb@people.example,2\n"
        "A@People.example,3\nAnna <a@people.example>,4\n"
    )

    assert summary.counts == MergeCounts(created=2)
    assert summary.rejected == {Fault.DUPLICATE: 2}
    assert Contact.objects.get(address="a@people.example").traits == {"name": "1"}
    assert importer.rejected().splitlines()[1:] == [
        '4,email,"duplicate of line 2, which counts",A@People.example,3',
        '5,email,"duplicate of line 2, which counts",Anna <a@people.example>,4',
    ]


def test_invalid_row_is_no_first_of_doubles(importer: Importer) -> None:
    long = "x" * 151

    summary = importer.run(f"email,first_name\na@people.example,{long}\na@people.example,A\n")

    assert summary.counts.created == 1
    assert summary.rejected == {Fault.TOO_LONG: 1}


def test_people_of_another_brand_are_other_people(importer: Importer) -> None:
    other = ContactFactory.create(email="anna@people.example", first_name="")
    SuppressionFactory.create(address="anna@people.example", reason="complaint", brand=other.brand)

    summary = importer.run(FILE + ANNA)

    other.refresh_from_db()
    assert summary.counts == MergeCounts(created=1)
    assert other.first_name == ""


def test_suppressed_people_are_imported_and_counted(importer: Importer) -> None:
    SuppressionFactory.create(address="p1@people.example")
    SuppressionFactory.create(address="p2@people.example", reason="complaint", brand=importer.brand)
    SuppressionFactory.create(address="p3@people.example", lifted_at=NOW, lifted_by="karin")

    summary = importer.run("email,name\n" + people(1, 4))

    assert summary.counts == MergeCounts(created=4, suppressed=2)


def test_erased_people_do_not_come_back(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "ERASED_PAGE", 2)
    for number in (2, 5):
        suppressing.suppress(
            address=f"p{number}@people.example",
            reason=SuppressionReason.ERASED,
            origin=SuppressionOrigin.PERSON,
            now=NOW,
        )

    summary = importer.run("email,name\n" + people(1, 5))

    assert summary.counts == MergeCounts(created=3)
    assert summary.rejected == {Fault.ERASED: 2}
    assert not Contact.objects.filter(address="p2@people.example").exists()
    assert importer.rejected().count("all traces removed") == 2


def test_topics_are_opted_in_to_but_no_opt_out_is_turned_back(importer: Importer) -> None:
    news, offers = (TopicFactory.create(brand=importer.brand, slug=s) for s in ("news", "offers"))
    left = ContactFactory.create(brand=importer.brand, email="p1@people.example")
    TopicSubscriptionFactory.create(contact=left, topic=news, state=TopicState.OPT_OUT)

    summary = importer.run("email,name\n" + people(1, 2), topics=("news", "offers"))

    said = {
        (one.contact.address, one.topic): one.state
        for one in TopicSubscription.objects.select_related("contact", "topic")
    }
    assert said == {
        ("p1@people.example", news): TopicState.OPT_OUT,
        ("p1@people.example", offers): TopicState.OPT_IN,
        ("p2@people.example", news): TopicState.OPT_IN,
        ("p2@people.example", offers): TopicState.OPT_IN,
    }
    assert summary.counts.opted_in == 1
    record = ConsentRecord.objects.get(kind=ConsentKind.TOPIC_OPT_IN)
    assert (record.contact, record.topic, record.text_shown) == (left, offers, CONSENT)


def test_preview_tells_what_the_import_then_does_and_changes_nothing(importer: Importer) -> None:
    TopicFactory.create(brand=importer.brand, slug="news")
    known(importer)
    ContactFactory.create(brand=importer.brand, email="p1@people.example", status="unsubscribed")
    ContactFactory.create(brand=importer.brand, email="p2@people.example", traits={"plan": "x"})
    SuppressionFactory.create(address="p3@people.example")
    content = "email,plan\nanna@people.example,pro\n" + people(1, 4) + "bad,x\np4@people.example\n"
    before = everything()

    preview = importer.preview(content, topics=("news",))
    unchanged, rejected = everything() == before, importer.rejected()
    done = importer.run(content, topics=("news",))

    assert unchanged
    assert preview.import_id is None
    assert preview.counts == done.counts
    assert (preview.rows_read, preview.rejected) == (done.rows_read, done.rejected)
    assert rejected == importer.rejected()
    assert done.counts.unsubscribed_kept == 1


@pytest.mark.django_db(transaction=True)
def test_person_who_signs_up_during_the_merge_is_merged_too(importer: Importer) -> None:
    """The import waits for the other's insert, loses, and fills the contact in a second pass."""
    signing_up, merge_waits = threading.Event(), threading.Event()

    def sign_up() -> None:
        try:
            with transaction.atomic():
                ContactFactory.create(
                    brand=importer.brand, email="p2@people.example", first_name=""
                )
                signing_up.set()
                wait_for(is_somebody_waiting)
                merge_waits.set()
        finally:
            connections.close_all()

    plan = importer.plan("email,first_name\n" + people(1, 3))
    other = threading.Thread(target=sign_up)
    other.start()
    assert signing_up.wait(10)
    summary = importer.go_on(plan)
    other.join(10)

    assert merge_waits.is_set()
    assert summary.counts == MergeCounts(created=2, updated=1)
    assert Contact.objects.get(address="p2@people.example").first_name == "N2"


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never happened")


@pytest.mark.django_db(transaction=True)
def test_erasing_waits_for_a_merge_and_then_marks_the_person(importer: Importer) -> None:
    """So nobody is imported between being looked up among the erased and being erased."""
    erased: list[int] = []

    def erase() -> None:
        try:
            erased.append(
                suppressing.suppress_many(
                    addresses=["p1@people.example"],
                    reason=SuppressionReason.ERASED,
                    origin=SuppressionOrigin.PERSON,
                    now=NOW,
                )
            )
        finally:
            connections.close_all()

    importer.path.write_text("email,name\n" + people(1, 2))
    other = threading.Thread(target=erase)
    with transaction.atomic():
        importer.run()
        other.start()
        wait_for(is_somebody_waiting)
    other.join(10)

    assert erased == [1]
    assert Contact.objects.get(address="p1@people.example").erased_at == NOW


@pytest.mark.django_db(transaction=True)
def test_merges_into_one_brand_wait_for_each_other(importer: Importer, tmp_path: Path) -> None:
    """Or two files with the same people in another order could wait crosswise for their rows."""
    (tmp_path / "other").mkdir()
    second = Importer(importer.brand, tmp_path / "other")
    plan = second.plan("email,first_name\n" + people(2, 3, name="Second"))
    counts: list[MergeCounts] = []

    def import_second() -> None:
        try:
            counts.append(second.go_on(plan).counts)
        finally:
            connections.close_all()

    importer.path.write_text("email,first_name\n" + people(8, 9))
    other = threading.Thread(target=import_second)
    with transaction.atomic():
        importer.run()
        other.start()
        wait_for(is_somebody_waiting)
    other.join(10)

    assert counts == [MergeCounts(created=2)]


def test_merge_is_not_ended_by_the_time_limit_of_statements(importer: Importer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '1min'")

        importer.run("email,name\n" + people(1, 2))

        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_contacts_of_a_brand_without_rows_to_merge_stay(importer: Importer, brand: Brand) -> None:
    ContactFactory.create(brand=brand)
    before = everything()

    summary = importer.run("email,name\nbad,x\n")

    assert summary.counts == MergeCounts()
    assert everything() == before
