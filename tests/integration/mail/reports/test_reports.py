"""Clicks, bounces, a person's mail, exports, and what operators do with streams."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts.eligibility import MailClass
from apps.mail import mailings, singles
from apps.mail.events import noting
from apps.mail.events.applying import apply_events
from apps.mail.models import Click, DailyFigure, DeliveryEvent, Link, Mailing, Message
from apps.mail.reports.bounces import BouncedDomain, bounces_by_domain, causes
from apps.mail.reports.exporting import csv_chunks
from apps.mail.reports.links import OTHER_LINKS, ClickedLink, links_clicked
from apps.mail.reports.persons import mail_of_contact
from apps.mail.reports.recipients import Question
from apps.mail.results import progress, results
from apps.queues.models import DeadLetter
from apps.queues.names import TaskName
from tests.factories.mail import TemplateFactory
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.reports.conftest import settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.integration.mail.conftest import House

AT = datetime.now(tz=UTC).replace(microsecond=0)


def sent(house: House, number: int = 3) -> tuple[Mailing, list[Message]]:
    mailing = house.planned(number)
    settle(mailing)
    return mailing, list(Message.objects.of(mailing).order_by("pk"))


def click(house: House, message: Message, link: object, *, at: datetime = AT) -> None:
    arrive(house.account, body("email.clicked", message, at=at, click={"link": link}))


# --- Links ------------------------------------------------------------------------------------


def test_clicks_add_up_by_link_and_by_person(house: House) -> None:
    mailing, (ada, bob, eve) = sent(house)
    click(house, ada, "https://shop.example/?to=ada@people.example")
    click(house, ada, "https://shop.example/?to=ada@people.example", at=AT + timedelta(seconds=9))
    click(house, bob, "https://shop.example/?to=bob@people.example")
    click(house, eve, "https://shop.example/about")

    apply_events()

    assert links_clicked(mailing) == [
        ClickedLink("https://shop.example/?to=…", clicks=3, people=2),
        ClickedLink("https://shop.example/about", clicks=1, people=1),
    ]


def test_click_applied_twice_counts_once(house: House) -> None:
    mailing, (ada, *_) = sent(house)
    click(house, ada, "https://shop.example/")
    apply_events()
    DeliveryEvent.objects.update(applied_at=None)

    apply_events()

    assert [link.clicks for link in links_clicked(mailing)] == [1]
    assert not DeadLetter.objects.exists()


def test_links_of_each_persons_own_end_in_one_row(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "LINKS_KEPT", 2)
    mailing, messages = sent(house, 5)
    for index, message in enumerate(messages):
        click(house, message, f"https://shop.example/{chr(97 + index)}")
        if index == 1:
            apply_events()

    apply_events()

    urls = {link.url: link.people for link in links_clicked(mailing)}
    assert urls == {"https://shop.example/a": 1, "https://shop.example/b": 1, OTHER_LINKS: 3}
    assert Link.objects.filter(mailing=mailing).count() == 3


@pytest.mark.parametrize("link", [None, 7, "x" * 5_000, "line\nbreak"])
def test_click_without_a_usable_link_is_told_as_such(house: House, link: object) -> None:
    mailing, (ada, *_) = sent(house)
    click(house, ada, link)

    apply_events()

    assert [one.url for one in links_clicked(mailing)] == ["(not told)"]


def test_links_are_read_by_the_key_of_clicks(house: House) -> None:
    mailing, (ada, *_) = sent(house)
    click(house, ada, "https://shop.example/")
    apply_events()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_click SELECT %s, n %% 300 + 1000000, n, now()"
            "  FROM generate_series(1, 30000) n",
            [mailing.month],
        )
        cursor.execute("ANALYZE mail_click")

    assert "Seq Scan on mail_click" not in plan_of(lambda: links_clicked(mailing))
    assert Click.objects.count() > 30_000


def plan_of(call: Any) -> str:
    with CaptureQueriesContext(connection) as queries:
        call()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        return "\n".join(row[0] for row in cursor.fetchall())


# --- Bounces ----------------------------------------------------------------------------------


def bounce(house: House, message: Message, cause: Mapping[str, object], to: str) -> None:
    Message.objects.filter(pk=message.pk).update(address=to)
    arrive(house.account, body("email.bounced", message, bounce=cause, to=[to]))


def test_bounces_are_told_by_domain(house: House) -> None:
    mailing, messages = sent(house, 4)
    permanent = {"type": "Permanent", "subType": "General"}
    bounce(house, messages[0], permanent, "a@mail.test")
    bounce(house, messages[1], permanent, "b@mail.test")
    bounce(house, messages[2], {"type": "Transient", "subType": "MailboxFull"}, "c@mail.test")
    bounce(house, messages[3], {"type": 7}, "d@other.test")

    apply_events()

    assert bounces_by_domain(mailing) == [
        BouncedDomain("mail.test", bounces=3, permanent=2, detail="General"),
        BouncedDomain("other.test", bounces=1, permanent=0, detail=""),
    ]
    assert causes(mailing, [messages[2].pk]) == {messages[2].pk: ("Transient", "MailboxFull")}


# --- A person's mail --------------------------------------------------------------------------


def test_person_sees_what_came_and_why_the_rest_did_not(house: House) -> None:
    mailing, messages = sent(house)
    contact_id = messages[0].contact_id
    assert contact_id is not None
    house.suppress(1)
    later = house.mailing(name="December")
    plan(later)

    mails = mail_of_contact(contact_id=contact_id).mails

    assert [(one.mailing, one.state, one.reason) for one in mails] == [
        ("December", "skipped", "hard_bounce"),
        (mailing.name, "sent", ""),
    ]


def plan(mailing: Mailing) -> None:
    from apps.mail import planning

    planning.plan_page(mailing_id=mailing.pk, selection=planning.Selection())


def test_persons_mail_comes_in_pages_along_the_index_of_each_partition(house: House) -> None:
    mailing, messages = sent(house)
    contact_id = messages[0].contact_id
    assert contact_id is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_message (month, mailing_id, contact_id, address, state, settled_at,"
            "                          idempotency_key)"
            " SELECT month, %s, %s + n %% 1000, 'x', 'sent', now(), month || ' ' || n"
            "   FROM generate_series(0, 19999) n,"
            "        unnest(ARRAY[%s, (%s + interval '1 month')::date]) month",
            [mailing.pk, contact_id, mailing.month, mailing.month],
        )
        cursor.execute("ANALYZE mail_message")

    seen: list[int] = []
    before: int | None = None
    while True:
        page = mail_of_contact(contact_id=contact_id, before=before, size=10)
        seen += [one.message_id for one in page.mails]
        before = page.next_before
        if before is None:
            break

    assert len(seen) == 41
    assert seen == sorted(seen, reverse=True)
    plan = plan_of(lambda: mail_of_contact(contact_id=contact_id))
    assert "Seq Scan on mail_message" not in plan


# --- Progress ---------------------------------------------------------------------------------


def test_progress_tells_reasons_at_once_and_after_folding(house: House) -> None:
    from apps.mail.reports.figures import fold_changes

    house.suppress(1)
    mailing = house.planned(200)
    house.suppress(2)
    settle(mailing, failed=2)
    settle(mailing, failed=1, reason="template", unknown=3)

    for _ in range(2):
        seen, found = progress(mailing), results(mailing)
        for state in (Message.State.FAILED, Message.State.UNKNOWN, Message.State.SKIPPED):
            assert seen.by_reason(state) == found.by_reason(state)
        assert seen.reached("sent") == seen.sent == found.total(Message.State.SENT)
        fold_changes()
    assert DailyFigure.objects.exists()


# --- Export -----------------------------------------------------------------------------------


def test_export_has_everybody_with_formulas_made_harmless(house: House) -> None:
    mailing, messages = sent(house)
    Message.objects.filter(pk=messages[0].pk).update(address="=1+1@people.test", detail="-x")

    text = b"".join(csv_chunks(mailing, Question())).decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3
    assert (rows[0]["address"], rows[0]["detail"]) == ("'=1+1@people.test", "'-x")
    assert (rows[1]["state"], rows[1]["provider_id"]) == ("sent", messages[1].provider_id)
    assert rows[1]["settled_at"].endswith("+00:00")


def test_export_is_written_in_chunks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.mail.reports import exporting

    monkeypatch.setattr(exporting, "LINES_PER_CHUNK", 10)
    mailing = house.planned(95)

    assert len(list(csv_chunks(mailing, Question()))) == 10


# --- Streams ----------------------------------------------------------------------------------


@pytest.fixture
def stream(house: House) -> Mailing:
    return singles.open_stream(
        template=TemplateFactory.create(brand=house.brand, slug="welcome"),
        sender=house.sender,
        mail_class=MailClass.TRANSACTIONAL,
    )


def test_resumed_stream_wakes_senders_of_single_mails(
    stream: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[TaskName] = []
    monkeypatch.setattr(mailings, "enqueue", lambda task, **_: woken.append(task))
    mailings.pause_for_provider(mailing_ids=[stream.pk], reason="429 daily_quota_exceeded")
    Mailing.objects.filter(pk=stream.pk).update(state="paused", state_reason="quota")
    out = StringIO()

    call_command("mailing", "list", "--paused", stdout=out)
    call_command("mailing", "resume", str(stream.pk), stdout=out)

    assert woken == [TaskName.SEND_SINGLES]
    assert "welcome" in out.getvalue()
    stream.refresh_from_db()
    assert stream.state == "running"


def test_command_pauses_and_says_what_cannot_be_done(stream: Mailing) -> None:
    out = StringIO()

    call_command("mailing", "pause", str(stream.pk), "--reason", "wrong text", stdout=out)

    stream.refresh_from_db()
    assert stream.state_reason.endswith(": wrong text")
    with pytest.raises(CommandError, match="paused; only one that is running"):
        call_command("mailing", "pause", str(stream.pk), "--reason", "again", stdout=out)
    with pytest.raises(CommandError, match="no mailing 999999"):
        call_command("mailing", "resume", "999999", stdout=out)


def test_command_names_the_stopped_account(house: House, stream: Mailing) -> None:
    mailings.pause(mailing_id=stream.pk, reason="x")
    house.account.stopped_at, house.account.stopped_reason = AT, "restricted_api_key"
    house.account.save()
    out = StringIO()

    call_command("mailing", "resume", str(stream.pk), stdout=out)

    assert "restricted_api_key" in out.getvalue()
    assert "manage.py account start main" in out.getvalue()


def test_command_counts_figures_anew(house: House) -> None:
    mailing, _ = sent(house)
    out = StringIO()

    call_command("figures", "--mailing", str(mailing.pk), stdout=out)

    assert DailyFigure.objects.get(mailing=mailing).number == 3
    with pytest.raises(CommandError, match="no mailing 999999"):
        call_command("figures", "--mailing", "999999")
