"""The pages of mail in admin: what they show, to whom, and what can be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.brands.rights import Right
from apps.contacts.eligibility import MailClass
from apps.mail import singles
from apps.mail.events.applying import apply_events
from apps.mail.models import Batch, BatchAttempt, Mailing, Message
from tests.factories.brands import BrandFactory
from tests.factories.mail import TemplateFactory
from tests.integration.mail.events.deliveries import arrive, body
from tests.integration.mail.reports.conftest import settle

if TYPE_CHECKING:
    from django.test import Client

    from tests.integration.mail.admin.conftest import LogIn
    from tests.integration.mail.conftest import House


@pytest.fixture
def mailing(house: House) -> Mailing:
    """130 people: 4 failed, 3 in doubt, one left, 30 still wait."""
    house.add_people(1, start=900, status="unsubscribed")
    mailing = house.planned(130)
    settle(mailing, failed=4, unknown=3)
    return mailing


def url(name: str, *args: int) -> str:
    return reverse(f"admin:mail_mailing_{name}", args=args)


def statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


# --- Looking ----------------------------------------------------------------------------------


def test_list_shows_mailings_of_viewable_brands(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    ours = log_in(house.brand).get(url("changelist"))
    theirs = log_in(BrandFactory.create(), name="bob").get(url("changelist"))

    assert mailing.name in ours.content.decode()
    assert mailing.name not in theirs.content.decode()


def test_mailing_page_shows_counts_by_state_and_reason(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    page = log_in(house.brand).get(url("change", mailing.pk)).content.decode()

    assert "refused by the provider" in page
    assert "has unsubscribed" in page
    assert "the provider did not answer in time" in page
    assert f'data-live="{mailing.pk}"' in page


def test_every_page_of_another_brand_is_not_found(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    message = Message.objects.of(mailing)[0]
    batch = Batch.objects.filter(mailing=mailing)[0]
    client = log_in(BrandFactory.create(), *Right)

    for address in (
        url("change", mailing.pk),
        url("recipients", mailing.pk),
        url("export", mailing.pk),
        url("message", mailing.pk, message.pk),
        url("doubt", mailing.pk, batch.pk),
    ):
        assert client.get(address).status_code == 404, address
    assert client.post(url("pause", mailing.pk)).status_code == 404


def test_live_answers_for_viewable_brands_in_one_read(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    client = log_in(house.brand)
    address = f"{url('live')}?ids={mailing.pk},999999,x,{'9' * 30}"

    with CaptureQueriesContext(connection) as queries:
        look = client.get(address).json()

    assert list(look) == [str(mailing.pk)]
    one = look[str(mailing.pk)]
    assert (one["done"], one["total"], one["moving"]) == (101, 131, True)
    assert one["texts"]["percent"] == "77.1 %"
    failed = next(row for row in one["rows"] if row["state"] == "failed")
    assert failed["reasons"] == [
        {"reason": "refused", "words": "refused by the provider", "number": "4"}
    ]
    assert len(queries) == 4  # session, user, rights, progress
    other = log_in(BrandFactory.create(), name="bob")
    assert other.get(address).json() == {}


# --- Recipients -------------------------------------------------------------------------------


def test_recipients_are_filtered_and_searched(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    client = log_in(house.brand)
    address = url("recipients", mailing.pk)

    failed = client.get(address, {"state": "failed", "reason": "refused"}).content.decode()
    found = client.get(address, {"q": "P900"}).content.decode()
    nobody = client.get(address, {"q": "zz", "state": "nonsense"}).content.decode()

    assert failed.count("<tr>") == 5
    assert "p900@people.test" in found
    assert "has unsubscribed" in found
    assert "Nobody (any more) that matches" in nobody


def test_recipients_come_in_pages(house: House, mailing: Mailing, log_in: LogIn) -> None:
    client = log_in(house.brand)
    address, seen = url("recipients", mailing.pk), 0
    query: str | None = ""
    while query is not None:
        page = client.get(address + query)
        seen += len(page.context["rows"])
        query = page.context["next_url"] or None

    assert seen == 131


def test_foreign_cursor_leads_to_the_first_page(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    address = url("recipients", mailing.pk)

    answer = log_in(house.brand).get(address, {"cursor": "x", "state": "failed"})

    assert answer.status_code == 302
    assert answer["Location"].endswith("?state=failed")


def test_statements_do_not_grow_with_the_list(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    client = log_in(house.brand)
    address = url("recipients", mailing.pk)
    client.get(address)

    full = statements(client, address)
    short = statements(client, f"{address}?state=failed")

    # A page that is not full also asks where it stopped looking.
    assert full < short <= full + 1
    assert full <= 12


def test_export_needs_its_right(house: House, mailing: Mailing, log_in: LogIn) -> None:
    viewer = log_in(house.brand)
    exporter = log_in(house.brand, Right.EXPORT, name="eve")
    address = f"{url('export', mailing.pk)}?state=failed"

    assert viewer.get(address).status_code == 403
    answer = exporter.get(address)
    lines = b"".join(answer).decode().splitlines()

    assert len(lines) == 5
    assert answer["Content-Disposition"] == f'attachment; filename="recipients-{mailing.pk}.csv"'


def test_message_tells_its_story(house: House, mailing: Mailing, log_in: LogIn) -> None:
    message = Message.objects.of(mailing).filter(state="sent")[0]
    arrive(house.account, body("email.clicked", message, click={"link": "https://shop.example/a"}))
    arrive(
        house.account,
        body("email.bounced", message, bounce={"type": "Transient", "subType": "MailboxFull"}),
    )
    apply_events()

    page = log_in(house.brand).get(url("message", mailing.pk, message.pk)).content.decode()

    for words in ("https://shop.example/a", "Transient, MailboxFull", "bounced", "200 ms",
                  message.provider_id):  # fmt: skip
        assert words in page


def test_message_of_another_mailing_is_not_found(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    other = house.mailing(name="Other")
    message = Message.objects.of(mailing)[0]

    assert log_in(house.brand).get(url("message", other.pk, message.pk)).status_code == 404


# --- Steering ---------------------------------------------------------------------------------


def test_stream_is_paused_and_resumed_by_who_may_launch(house: House, log_in: LogIn) -> None:
    stream = singles.open_stream(
        template=TemplateFactory.create(brand=house.brand),
        sender=house.sender,
        mail_class=MailClass.TRANSACTIONAL,
    )
    launcher = log_in(house.brand, Right.LAUNCH)
    editor = log_in(house.brand, Right.EDIT, name="eve")

    assert editor.post(url("pause", stream.pk)).status_code == 403
    assert launcher.get(url("pause", stream.pk)).status_code == 405
    launcher.post(url("pause", stream.pk), {"reason": "wrong text"})
    stream.refresh_from_db()
    assert (stream.state, stream.state_reason) == (
        "paused",
        f"user:{launcher.session['_auth_user_id']} anna: wrong text",
    )
    page = launcher.get(url("change", stream.pk)).content.decode()
    assert "By anna: wrong text." in page

    launcher.post(url("resume", stream.pk))
    stream.refresh_from_db()
    assert stream.state == "running"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("429 daily_quota_exceeded", "quota for today is spent"),
        ("429 monthly_quota_exceeded: x", "quota for this month is spent"),
        ("403 validation_error: The domain is not verified", "refuses the sender"),
        ("by user:3 bob", "By bob."),
    ],
)
def test_pause_is_explained_in_plain_words(
    house: House, mailing: Mailing, log_in: LogIn, reason: str, words: str
) -> None:
    Mailing.objects.filter(pk=mailing.pk).update(state="paused", state_reason=reason)

    page = log_in(house.brand).get(url("change", mailing.pk)).content.decode()

    assert words in page


def test_stopped_account_is_explained(house: House, mailing: Mailing, log_in: LogIn) -> None:
    from django.utils import timezone

    house.account.stopped_at, house.account.stopped_reason = timezone.now(), "401 invalid_api_key"
    house.account.save()

    page = log_in(house.brand).get(url("change", mailing.pk)).content.decode()

    assert "“main” is stopped" in page
    assert "401 invalid_api_key" in page


# --- Doubts -----------------------------------------------------------------------------------


def doubtful(mailing: Mailing) -> tuple[Batch, list[int]]:
    batch = Batch.objects.get(mailing=mailing, state="unknown")
    ids = Message.objects.of(mailing).filter(state="unknown").values_list("pk", flat=True)
    return batch, sorted(ids)


def test_doubts_are_listed_for_viewers(house: House, mailing: Mailing, log_in: LogIn) -> None:
    batch, _ = doubtful(mailing)

    page = log_in(house.brand).get(url("doubts")).content.decode()
    other = log_in(BrandFactory.create(), name="bob").get(url("doubts")).content.decode()

    assert url("doubt", mailing.pk, batch.pk) in page
    assert "Nothing is in doubt" in other


def test_doubt_is_settled_as_said(house: House, mailing: Mailing, log_in: LogIn) -> None:
    batch, ids = doubtful(mailing)
    client = log_in(house.brand, Right.REDRIVE)
    address = url("doubt", mailing.pk, batch.pk)

    client.post(address, {"as_": "sent", "note": "seen in their log", "chosen": ids[:2]})
    client.post(address, {"as_": "not_sent", "note": "not there", "chosen": ids[2:], "again": "on"})

    states = Message.objects.filter(pk__in=ids).order_by("pk").values_list("state", flat=True)
    assert list(states) == ["sent", "sent", "pending"]
    notes = BatchAttempt.objects.filter(batch=batch).values_list("error", flat=True)
    assert any("anna: seen in their log" in note for note in notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"as_": "sent", "note": ""}, "How you know"),
        ({"as_": "perhaps", "note": "x"}, "perhaps is not one"),
        ({"as_": "sent", "note": "x", "again": "on"}, "Only mails that were not sent"),
        ({"as_": "sent", "note": "x", "chosen": []}, "Choose at least one"),
        ({"as_": "sent", "note": "x", "chosen": [1]}, "not one of the available"),
    ],
)
def test_doubt_with_a_mistake_says_so(
    house: House, mailing: Mailing, log_in: LogIn, fields: dict[str, object], words: str
) -> None:
    batch, ids = doubtful(mailing)
    client = log_in(house.brand, Right.REDRIVE)

    answer = client.post(url("doubt", mailing.pk, batch.pk), {"chosen": ids, **fields})

    assert words in answer.content.decode()
    assert doubtful(mailing)[1] == ids


def test_doubt_is_not_settled_without_the_right(
    house: House, mailing: Mailing, log_in: LogIn
) -> None:
    batch, ids = doubtful(mailing)
    client = log_in(house.brand, Right.LAUNCH)
    address = url("doubt", mailing.pk, batch.pk)

    answer = client.post(address, {"as_": "sent", "note": "x", "chosen": ids})

    assert answer.status_code == 403
    assert "needs the right" in client.get(address).content.decode()
    assert doubtful(mailing)[1] == ids


# --- A person's page --------------------------------------------------------------------------


def test_persons_page_has_their_mail(house: House, mailing: Mailing, log_in: LogIn) -> None:
    message = Message.objects.of(mailing).filter(reason="unsubscribed")[0]
    address = reverse("admin:contacts_contact_change", args=[message.contact_id])

    page = log_in(house.brand).get(address).content.decode()

    assert url("message", mailing.pk, message.pk) in page
    assert "has unsubscribed" in page
