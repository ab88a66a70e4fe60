"""The plans that the promised times rest on: by index, however large the tables are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.contacts import eligibility
from apps.contacts.eligibility import MailClass, skip_reason_sql
from tests.factories.contacts import TopicFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
MANY = 30_000


def explain(statement: str, parameters: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (COSTS OFF) " + statement, parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def crowd(brand: Brand) -> Brand:
    with connection.cursor() as cursor:
        for table in ("contacts_contact", "contacts_suppression"):  # plans need no audit log
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO contacts_contact (brand_id, email, address, status)"
            " SELECT %s, 'p' || n || '@people.example', 'p' || n || '@people.example', 'subscribed'"
            " FROM generate_series(1, %s) n",
            [brand.pk, MANY],
        )
        cursor.execute(
            "INSERT INTO contacts_suppression (address, reason, origin)"
            " SELECT 'p' || n || '@people.example', 'hard_bounce', 'provider'"
            " FROM generate_series(1, %s) n",
            [MANY],
        )
        cursor.execute(
            "INSERT INTO contacts_suppression (address_digest, digest_version, reason, origin)"
            " SELECT sha256(n::text::bytea), 1, 'erased', 'person' FROM generate_series(1, %s) n",
            [MANY],
        )
        cursor.execute("ANALYZE contacts_contact, contacts_suppression")
    return brand


def test_thousand_addresses_are_found_by_index(crowd: Brand) -> None:
    addresses = "\n".join(f"p{n}@people.example" for n in range(1, MANY, 30))

    plan = explain(
        eligibility._SUPPRESSED + eligibility._CONTACTS,
        {"addresses": addresses, "digests": "00" * 32, "brand": crowd.pk},
    )

    assert "using suppression_active_address" in plan
    assert "using suppression_active_digest" in plan
    assert "using contact_once_per_brand" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("mail_class", list(MailClass))
def test_skip_reason_of_a_page_and_of_a_batch_is_read_by_index(
    crowd: Brand, mail_class: MailClass
) -> None:
    topic = TopicFactory.create(brand=crowd)
    reason, _ = skip_reason_sql(mail_class, topic_ids=[topic.pk])
    page = (
        f"SELECT c.id, {reason} FROM contacts_contact c"
        " WHERE c.brand_id = %(brand)s AND c.id > 0 ORDER BY c.id LIMIT 10000"
    )
    batch = f"SELECT c.id, {reason} FROM contacts_contact c WHERE c.id = ANY(%(ids)s)"

    for statement in (page, batch):
        plan = explain(statement, {"brand": crowd.pk, "ids": list(range(1, 101))})

        assert "using suppression_active_address on contacts_suppression" in plan
        assert "Seq Scan on contacts_suppression" not in plan
        assert "Seq Scan on contacts_contact" not in plan


def test_opt_ins_of_a_topic_are_read_from_the_index_alone_in_order_of_contacts(
    crowd: Brand,
) -> None:
    topic, *others = TopicFactory.create_batch(4, brand=crowd)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_topicsubscription (topic_id, contact_id, state)"
            " SELECT topic, id, 'opt_in' FROM contacts_contact, unnest(%s) topic",
            [[topic.pk, *(one.pk for one in others)]],
        )
        cursor.execute("ANALYZE contacts_topicsubscription")

    plan = explain(
        "SELECT contact_id FROM contacts_topicsubscription"
        " WHERE topic_id = %(topic)s AND state = 'opt_in' AND contact_id > 5"
        " ORDER BY contact_id LIMIT 1000",
        {"topic": topic.pk},
    )

    assert "Index Only Scan using topic_once_per_contact" in plan
    assert "Sort" not in plan
