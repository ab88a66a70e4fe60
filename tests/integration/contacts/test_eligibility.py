from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.db import connection

from apps.contacts import suppressing
from apps.contacts.eligibility import (
    MailClass,
    SkipReason,
    blocked_addresses,
    skip_reason_sql,
    stops,
)
from apps.contacts.models import (
    Contact,
    ContactStatus,
    SuppressionOrigin,
    SuppressionReason,
    TopicState,
)
from tests.factories.brands import BrandFactory
from tests.factories.contacts import (
    ContactFactory,
    SuppressionFactory,
    TopicFactory,
    TopicSubscriptionFactory,
)
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db

# The design's table, written out once more by hand: rows are reasons, columns classes.
TABLE = {
    # reason: (commercial, confirmation, transactional where allowed, and where not)
    SkipReason.UNSUBSCRIBED: (True, False, False, False),
    SkipReason.NOT_OPTED_IN: (True, False, False, False),
    SkipReason.PAUSED: (True, False, False, False),
    SkipReason.COMPLAINT: (True, True, False, True),
    SkipReason.HARD_BOUNCE: (True, True, True, True),
    SkipReason.ERASED: (True, True, True, True),
    SkipReason.BLOCKED: (True, True, True, True),
}


def test_matrix_is_the_designs_table() -> None:
    for reason, row in TABLE.items():
        assert row == (
            stops(reason, MailClass.COMMERCIAL, transactional_after_complaint=True),
            stops(reason, MailClass.CONFIRMATION, transactional_after_complaint=True),
            stops(reason, MailClass.TRANSACTIONAL, transactional_after_complaint=True),
            stops(reason, MailClass.TRANSACTIONAL, transactional_after_complaint=False),
        ), reason
        for allowed in (True, False):
            stopped = stops(reason, MailClass.COMMERCIAL, transactional_after_complaint=allowed)
            assert stopped == row[0]


class Case(NamedTuple):
    """One contact: its status and what is active against it in which scope."""

    status: ContactStatus
    suppressions: tuple[tuple[SuppressionReason, bool], ...]  # with: for its brand alone
    paused: bool = False

    @property
    def reasons(self) -> set[SkipReason]:
        of_status = {
            ContactStatus.UNSUBSCRIBED: {SkipReason.UNSUBSCRIBED},
            ContactStatus.PENDING: {SkipReason.NOT_OPTED_IN},
            ContactStatus.SUBSCRIBED: set(),
        }[self.status]
        of_pause = {SkipReason.PAUSED} if self.paused else set()
        return {SkipReason(reason) for reason, _ in self.suppressions} | of_status | of_pause


SUPPRESSIONS = (
    (SuppressionReason.ERASED, False),
    (SuppressionReason.BLOCKED, False),
    (SuppressionReason.BLOCKED, True),
    (SuppressionReason.HARD_BOUNCE, False),
    (SuppressionReason.COMPLAINT, True),
)
LATER = datetime.now(tz=UTC) + timedelta(days=30)
# Not asked for, over, and under way.
PAUSES = (None, datetime.now(tz=UTC) - timedelta(seconds=1), LATER)
SUBSETS = list(
    chain.from_iterable(combinations(SUPPRESSIONS, n) for n in range(len(SUPPRESSIONS) + 1))
)


def make_cases(brand: Brand) -> dict[str, Case]:
    """A contact for each combination of status and suppressions, by address."""
    cases = {}
    every = product(ContactStatus, SUBSETS, PAUSES)
    for number, (status, suppressions, until) in enumerate(every):
        address = f"case{number}@people.example"
        cases[address] = Case(status, suppressions, paused=until == LATER)
        ContactFactory.create(brand=brand, email=address, status=status, paused_until=until)
        # Erasing forgets what else there was, so it comes first here.
        for reason, for_brand in suppressions:
            suppressing.suppress(
                address=address,
                reason=reason,
                origin=SuppressionOrigin.OPERATOR,
                now=NOW,
                brand_id=brand.pk if for_brand else None,
            )
    return cases


def reasons_by_sql(brand: Brand, mail_class: MailClass, **options: Any) -> dict[str, str | None]:
    sql, params = skip_reason_sql(mail_class, contact_alias="person", **options)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT person.address, {sql} FROM contacts_contact person"
            " WHERE person.brand_id = %(brand)s",
            {**params, "brand": brand.pk},
        )
        return dict(cursor.fetchall())


@pytest.mark.parametrize("allowed", [True, False])
def test_matrix_sql_and_addresses_agree_in_every_case(*, allowed: bool) -> None:
    brand = BrandFactory.create(transactional_after_complaint=allowed)
    other = BrandFactory.create(transactional_after_complaint=not allowed)
    cases = make_cases(brand)
    make_cases_of_another_brand(other, list(cases))

    for mail_class in MailClass:
        expected = {
            address: min(
                (
                    one
                    for one in case.reasons
                    if stops(one, mail_class, transactional_after_complaint=allowed)
                ),
                key=list(SkipReason).index,
                default=None,
            )
            for address, case in cases.items()
        }

        assert reasons_by_sql(brand, mail_class) == expected
        found = blocked_addresses(list(cases), brand, mail_class)
        assert found == {address: reason for address, reason in expected.items() if reason}


def make_cases_of_another_brand(other: Brand, addresses: list[str]) -> None:
    """What is against people elsewhere, and what was lifted, must not count here."""
    for address in addresses:
        SuppressionFactory.create(address=address, reason="complaint", brand=other)
        SuppressionFactory.create(address=address, reason="blocked", brand=other)
        SuppressionFactory.create(address=address, lifted_at=NOW, lifted_by="me")


def test_stranger_is_not_opted_in_but_may_get_a_confirmation(brand: Brand) -> None:
    ContactFactory.create(email="elsewhere@people.example")
    addresses = ["elsewhere@people.example", "nobody@people.example"]

    assert blocked_addresses(addresses, brand, MailClass.COMMERCIAL) == dict.fromkeys(
        addresses, SkipReason.NOT_OPTED_IN
    )
    assert blocked_addresses(addresses, brand, MailClass.CONFIRMATION) == {}
    assert blocked_addresses([], brand, MailClass.COMMERCIAL) == {}


def test_erased_address_is_known_by_its_digest_without_any_contact(brand: Brand) -> None:
    suppressing.suppress(
        address="gone@people.example",
        reason=SuppressionReason.ERASED,
        origin=SuppressionOrigin.PERSON,
        now=NOW,
    )

    for mail_class in MailClass:
        assert blocked_addresses(["gone@people.example"], brand, mail_class) == {
            "gone@people.example": SkipReason.ERASED
        }


def test_commercial_mail_about_topics_needs_an_opt_in_to_one_of_them(brand: Brand) -> None:
    wanted, other = TopicFactory.create_batch(2, brand=brand)
    for email, topic, state in (
        ("in@people.example", wanted, TopicState.OPT_IN),
        ("out@people.example", wanted, TopicState.OPT_OUT),
        ("else@people.example", other, TopicState.OPT_IN),
    ):
        contact = ContactFactory.create(brand=brand, email=email)
        TopicSubscriptionFactory.create(contact=contact, topic=topic, state=state)

    found = reasons_by_sql(brand, MailClass.COMMERCIAL, topic_ids=[wanted.pk])
    either = reasons_by_sql(brand, MailClass.COMMERCIAL, topic_ids=[wanted.pk, other.pk])
    receipt = reasons_by_sql(brand, MailClass.TRANSACTIONAL, topic_ids=[wanted.pk])

    assert found == {
        "in@people.example": None,
        "out@people.example": SkipReason.NOT_OPTED_IN,
        "else@people.example": SkipReason.NOT_OPTED_IN,
    }
    assert either == {**found, "else@people.example": None}
    assert set(receipt.values()) == {None}


def test_addresses_are_asked_in_one_query(
    brand: Brand, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ContactFactory.create_batch(3, brand=brand)
    addresses = list(Contact.objects.values_list("address", flat=True))

    with django_assert_num_queries(1):
        blocked_addresses(addresses, brand, MailClass.COMMERCIAL)
