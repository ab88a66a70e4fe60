"""Lists of recipients: complete, in pages, and along indexes however many messages there are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts.eligibility import MailClass
from apps.mail import regrouping, singles
from apps.mail.models import Message
from apps.mail.reports import recipients as module
from apps.mail.reports.recipients import (
    InvalidCursorError,
    Question,
    everybody,
    recipients,
)
from tests.factories.contacts import ContactFactory
from tests.factories.mail import TemplateFactory
from tests.integration.mail.reports.conftest import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.mail.models import Mailing
    from tests.integration.mail.conftest import House


@pytest.fixture
def mailing(house: House) -> Mailing:
    """560 people: skipped while planning and later, failed, in doubt, sent, waiting, retried."""
    house.add_people(40, start=1_000, status="unsubscribed")
    house.suppress(2_000, 2_001)
    house.add_people(20, start=1_990)
    mailing = house.planned(500)
    settle(mailing, failed=7)
    house.suppress(110, 111, 112)
    settle(mailing, failed=2, reason="template")
    regrouping.retry_failed(mailing_id=mailing.pk, reasons=["template"])
    settle(mailing, unknown=5, failed=1)
    return mailing


def ids(mailing: Mailing, question: Question, size: int) -> list[int]:
    found: list[int] = []
    cursor, pages = "", 0
    while True:
        page = recipients(mailing, question, cursor=cursor, size=size)
        found += [one.message_id for one in page.recipients]
        assert len(page.recipients) <= size
        cursor, pages = page.next_cursor, pages + 1
        assert pages < 1_000
        if not cursor:
            return found


QUESTIONS = [
    Question(),
    *(Question(state=state) for state in Message.State.values),
    Question(state="failed", reason="refused"),
    Question(state="skipped", reason="hard_bounce"),
    Question(reason="unsubscribed"),
    Question(search="p1"),
    Question(search="p2000@people.test"),
    Question(search="P11", state="skipped"),
    Question(search="nobody"),
    Question(state="failed", reason="no such"),
]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("tight", [False, True])
def test_pages_hold_everybody_who_matches_once(
    mailing: Mailing,
    large: bool,  # noqa: FBT001 - a parameter of the test
    tight: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_is_large", lambda _: large)
    if tight:
        for bound, few in (("LOOKED_AT", 3), ("BATCHES_LOOKED_AT", 2), ("ADDRESSES_LOOKED_AT", 3)):
            monkeypatch.setattr(module, bound, few)
    messages = list(Message.objects.of(mailing))
    for question in QUESTIONS:
        expected = sorted(
            one.pk
            for one in messages
            if question.state in {"", one.state}
            and question.reason in {"", one.reason}
            and one.address.startswith(question.search.lower())
        )

        for size in (7, 50, 560):
            assert sorted(ids(mailing, question, size)) == expected, (question, size)


def test_export_walks_through_all_pages(mailing: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_PAGE", 9)

    assert len(list(everybody(mailing, Question()))) == 560
    assert len(list(everybody(mailing, Question(state="skipped")))) == 45


def test_recipient_tells_all_that_is_known(mailing: Mailing) -> None:
    (one,) = recipients(mailing, Question(search="p50@people.test")).recipients

    message = Message.objects.of(mailing).get(pk=one.message_id)
    assert (one.address, one.state, one.provider_id) == (
        "p50@people.test", "sent", message.provider_id,
    )  # fmt: skip
    assert (one.contact_id, one.settled_at) == (message.contact_id, message.settled_at)


def test_stream_lists_its_single_mails(house: House) -> None:
    stream = singles.open_stream(
        template=TemplateFactory.create(brand=house.brand),
        sender=house.sender,
        mail_class=MailClass.TRANSACTIONAL,
    )
    for number in range(12):
        contact = ContactFactory.create(brand=house.brand)
        singles.send_single(
            stream=stream, contact=contact, idempotency_key=f"key-{number}", variables={}
        )

    assert len(ids(stream, Question(), 5)) == 12
    assert ids(stream, Question(state="sent"), 5) == []


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ä",
        "AAAA",
        encoded("text"),
        encoded(["other", 1, 0]),
        encoded(["everybody", "text", 0]),
        encoded(["everybody", 2**63, 0]),
        encoded(["everybody", True, 0]),
        encoded(["everybody", -1, 0]),
        encoded(["everybody", 1, []]),
        encoded(["batch_failed", 1, 1]),
    ],
)
def test_foreign_cursor_is_refused(mailing: Mailing, cursor: str) -> None:
    with pytest.raises(InvalidCursorError, match="cursor"):
        recipients(mailing, Question(), cursor=cursor)


# --- With many messages -----------------------------------------------------------------------


@pytest.fixture
def large(house: House) -> Mailing:
    """60,000 people in 600 batches; one in a thousand failed; a tenth was skipped."""
    house.add_people(60_000)
    mailing = house.mailing()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH people AS (
                SELECT id, address, (row_number() OVER (ORDER BY id) - 1) / 100 AS chunk
                  FROM contacts_contact WHERE brand_id = %(brand)s
            ), chunks AS (
                SELECT chunk, nextval(pg_get_serial_sequence('mail_batch', 'id')) AS id
                  FROM people GROUP BY chunk
            ), batches AS (
                INSERT INTO mail_batch (id, account_id, mailing_id, state, month, size, sent,
                                        failed, key, key_made_at, digest, settled_at)
                OVERRIDING SYSTEM VALUE
                SELECT id, %(account)s, %(mailing)s, 'settled', %(month)s, 100,
                       100 - (chunk %% 10 = 0)::int, (chunk %% 10 = 0)::int, 'key' || chunk, now(),
                       '\\x00', now()
                  FROM chunks WHERE chunk >= 60
            )
            INSERT INTO mail_message (month, mailing_id, contact_id, batch_id, address, state,
                                      reason, settled_at)
            SELECT %(month)s, %(mailing)s, people.id,
                   CASE WHEN chunk < 60 THEN NULL ELSE chunks.id END, address,
                   CASE WHEN chunk < 60 THEN 'skipped'
                        WHEN chunk %% 10 = 0 AND people.id %% 100 = 7 THEN 'failed'
                        ELSE 'sent' END,
                   CASE WHEN chunk < 60 THEN 'unsubscribed'
                        WHEN chunk %% 10 = 0 AND people.id %% 100 = 7 THEN 'refused' ELSE '' END,
                   now()
              FROM people JOIN chunks USING (chunk)
            """,
            {
                "brand": house.brand.pk,
                "account": mailing.account_id,
                "mailing": mailing.pk,
                "month": mailing.month,
            },
        )
        cursor.execute("ANALYZE mail_message")
        cursor.execute("ANALYZE mail_batch")
        cursor.execute("ANALYZE contacts_contact")
    return mailing


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


INDEXES = {
    Question(): "mailing_id_contact_id_idx",
    Question(state="failed"): "batch_id_idx",
    Question(state="sent"): "batch_id_idx",
    Question(state="failed", reason="refused"): "batch_id_idx",
    Question(state="skipped"): "mailing_id_id_idx",
    Question(search="p4711"): "contact_once_per_brand",
}


def test_pages_go_along_indexes(large: Mailing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_large", lambda _: True)
    for question, index in INDEXES.items():
        with CaptureQueriesContext(connection) as queries:
            page = recipients(large, question)

        assert page.recipients
        plan = explained(queries[0]["sql"])
        assert index in str(plan), [one.get("Index Name") for one in nodes(plan)]
        assert not any(
            node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith("mail_message")
            for node in nodes(plan)
        ), question
        assert plan["Shared Hit Blocks"] < 4_000, question


def explained(statement: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
        return plan
