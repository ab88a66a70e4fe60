"""The pages of queues: what they show, to whom, and what can be done there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from waffle.models import Switch

from apps.brands.models import Brand, Grant, ProviderAccount
from apps.brands.rights import Right
from apps.mail.clients import breaker_for
from apps.queues import alerts, dead_letters, holding
from apps.queues.breaking import Phase
from apps.queues.flags import Flag
from apps.queues.models import BulkRedrive, DeadLetter
from apps.queues.names import Queue, TaskName
from tests.factories.brands import BrandFactory, ProviderAccountFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    LogIn = Callable[..., Client]

pytestmark = pytest.mark.django_db


@pytest.fixture
def brand() -> Brand:
    made: Brand = BrandFactory.create()
    return made


@pytest.fixture
def log_in() -> LogIn:
    def make(brand: Brand, *rights: Right, name: str = "anna") -> Client:
        user = get_user_model().objects.create_user(name, password="x", is_staff=True)
        for right in rights or (Right.VIEW,):
            Grant.objects.create(user=user, brand=brand, right=right)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch, brand: Brand) -> list[int]:
    ids: list[int] = []
    monkeypatch.setitem(dead_letters._redrives, "test.row", ids.append)
    monkeypatch.setitem(dead_letters._brands, "test.row", lambda _: brand.pk)
    return ids


def letter_of(subject: int, queue: str = Queue.BATCH_EMAIL) -> int:
    return dead_letters.record(
        queue=queue,
        task=TaskName.SEND_BATCHES,
        subject="test.row",
        subject_id=subject,
        reason="throttled",
        error="the provider said wait",
    )


def orphan() -> int:
    return dead_letters.record(
        queue=Queue.CONTROL, task=TaskName.CLOSE_MAILINGS, reason="attempts_spent"
    )


def url(name: str, *args: object) -> str:
    return reverse(f"admin:queues_deadletter_{name}", args=args)


OVERVIEW = "admin:queues_queuestanding_changelist"


# --- The overview -----------------------------------------------------------------------------


def test_overview_shows_queues_accounts_and_alerts(brand: Brand, log_in: LogIn) -> None:
    account: ProviderAccount = ProviderAccountFactory.create(name="main account")
    alerts.raise_alert(kind="queue_depth", subject="events", message="9000 wait in events")
    letter_of(1)

    page = log_in(brand).get(reverse(OVERVIEW)).content.decode()

    assert "batch-email" in page
    assert account.name in page
    assert "9000 wait in events" in page
    assert "Dead letters of batch-email: 1" in page


def test_overview_is_not_for_strangers(brand: Brand) -> None:
    user = get_user_model().objects.create_user("eve", password="x", is_staff=True)
    client = Client()
    client.force_login(user)

    assert client.get(reverse(OVERVIEW)).status_code == 404
    assert client.get(url("changelist")).status_code == 403


def test_overview_costs_no_more_with_more_letters(brand: Brand, log_in: LogIn) -> None:
    client = log_in(brand)
    client.get(reverse(OVERVIEW))
    counts = []
    for first in (0, 20):
        for subject in range(first, first + 20):
            letter_of(subject, queue=[*Queue][subject % 5])
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(OVERVIEW))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_breaker_is_reset_by_those_who_may_drive_everywhere(brand: Brand, log_in: LogIn) -> None:
    account: ProviderAccount = ProviderAccountFactory.create()
    breaker = breaker_for(account)
    for _ in range(30):
        permit = breaker.admit()
        if hasattr(permit, "failed"):
            permit.failed()
    assert breaker.look().phase is Phase.OPEN
    reset = reverse("admin:queues_queuestanding_reset_breaker", args=[account.pk])

    assert log_in(brand, name="bob").post(reset).status_code == 403
    client = log_in(brand, Right.REDRIVE)
    assert "Close it now" in client.get(reverse(OVERVIEW)).content.decode()
    assert client.get(reset).status_code == 405
    assert client.post(reset).status_code == 302

    assert breaker.look().phase is Phase.CLOSED


def test_hold_of_a_queue_is_reset(brand: Brand, log_in: LogIn) -> None:
    reset = reverse("admin:queues_queuestanding_reset_hold", args=["events"])

    assert log_in(brand, name="bob").post(reset).status_code == 403
    assert log_in(brand, Right.REDRIVE).post(reset).status_code == 302
    assert holding.holds()["events"].phase is Phase.CLOSED


# --- Looking at letters -----------------------------------------------------------------------


def test_list_shows_open_letters_of_a_queue(brand: Brand, driven: list[int], log_in: LogIn) -> None:
    letter_of(11)
    letter_of(22, queue=Queue.EVENTS)
    dead_letters.discard(letter_id=letter_of(33, queue=Queue.EVENTS), by="ada", note="x")

    page = log_in(brand).get(url("changelist") + "?queue__exact=events").content.decode()

    assert "test.row 22" in page
    assert "test.row 11" not in page
    assert "test.row 33" not in page


def test_letters_of_other_brands_are_not_there(driven: list[int], log_in: LogIn) -> None:
    letter_id = letter_of(11)
    client = log_in(BrandFactory.create(), *Right)

    assert "test.row 11" not in client.get(url("changelist")).content.decode()
    assert client.get(url("change", letter_id)).status_code == 404
    assert client.post(url("redrive", letter_id)).status_code == 404
    assert driven == []


def test_letter_tells_everything_it_holds(brand: Brand, driven: list[int], log_in: LogIn) -> None:
    dead_letters.discard(letter_id=letter_of(11), by="user:1 ada", note="sent by hand")
    letter_id = letter_of(11)

    page = log_in(brand).get(url("change", letter_id)).content.decode()

    for words in ("throttled", "the provider said wait", "sent by hand", "user:1 ada", brand.name):
        assert words in page
    assert "Drive it again</button>" not in page


# --- Driving ----------------------------------------------------------------------------------


def test_driving_needs_the_right(brand: Brand, driven: list[int], log_in: LogIn) -> None:
    letter_id = letter_of(11)

    assert log_in(brand, Right.EDIT).post(url("redrive", letter_id)).status_code == 403
    assert driven == []


def test_letter_is_driven_once(brand: Brand, driven: list[int], log_in: LogIn) -> None:
    letter_id = letter_of(11)
    client = log_in(brand, Right.REDRIVE)

    first = client.post(url("redrive", letter_id), follow=True).content.decode()
    second = client.post(url("redrive", letter_id), follow=True).content.decode()

    assert "Its work is due again." in first
    assert f"Dead letter {letter_id} is not open." in second
    assert driven == [11]


def test_letter_is_discarded_with_a_note_only(
    brand: Brand, driven: list[int], log_in: LogIn
) -> None:
    letter_id = letter_of(11)
    client = log_in(brand, Right.REDRIVE)

    refused = client.post(url("discard", letter_id), {"note": " "})
    assert "Say why" in refused.content.decode()
    assert DeadLetter.objects.open().exists()

    client.post(url("discard", letter_id), {"note": "sent by hand"})
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.note) == ("discarded", "sent by hand")


def test_letter_of_the_installation_needs_the_right_everywhere(brand: Brand, log_in: LogIn) -> None:
    letter_id = orphan()
    other = BrandFactory.create()
    client = log_in(brand, Right.REDRIVE)
    assert client.get(url("change", letter_id)).status_code == 200
    assert client.post(url("redrive", letter_id)).status_code == 403

    user = get_user_model().objects.get(username="anna")
    Grant.objects.create(user=user, brand=other, right=Right.REDRIVE)

    assert client.post(url("redrive", letter_id)).status_code == 302
    assert DeadLetter.objects.get().state == "redriven"


def test_picked_letters_are_driven(brand: Brand, driven: list[int], log_in: LogIn) -> None:
    ids = [letter_of(subject) for subject in (1, 2, 3)]
    mixed = [*ids[:2], orphan()]
    BrandFactory.create()
    client = log_in(brand, Right.REDRIVE)

    page = client.post(
        url("changelist"),
        {"action": "redrive_picked", "_selected_action": mixed},
        follow=True,
    ).content.decode()

    assert driven == [1, 2]
    assert "2 driven again." in page
    assert "1 not:" in page


def test_action_is_not_offered_without_the_right(
    brand: Brand, driven: list[int], log_in: LogIn
) -> None:
    letter_id = letter_of(1)
    client = log_in(brand, Right.EDIT)

    client.post(url("changelist"), {"action": "redrive_picked", "_selected_action": [letter_id]})

    assert driven == []


def test_kind_is_driven_in_the_background_for_ones_own_brands(
    brand: Brand, driven: list[int], log_in: LogIn
) -> None:
    letter_of(1)
    BrandFactory.create()
    client = log_in(brand, Right.REDRIVE)
    assert "Drive all again" in client.get(url("kinds")).content.decode()

    kind = {"queue": "batch-email", "task": TaskName.SEND_BATCHES, "reason": "throttled"}
    page = client.post(url("redrive_kind"), kind, follow=True).content.decode()

    bulk = BulkRedrive.objects.get()
    assert bulk.brand_ids == [brand.pk]
    assert bulk.asked_by.endswith(" anna")
    assert "under way" in page


def test_kinds_show_a_count_each_and_nothing_to_press_without_the_right(
    brand: Brand, driven: list[int], log_in: LogIn
) -> None:
    letter_of(1)
    letter_of(2)
    client = log_in(brand)

    page = client.get(url("kinds")).content.decode()

    assert ">2</a>" in page
    assert "Drive all again" not in page
    assert client.post(url("redrive_kind"), {"queue": "batch-email"}).status_code == 403


@pytest.mark.parametrize("model", ["alert", "scheduleperiod"])
def test_lists_open(model: str, brand: Brand, log_in: LogIn) -> None:
    alerts.raise_alert(kind="queue_depth", subject="events", message="9000 wait in events")

    answer = log_in(brand).get(reverse(f"admin:queues_{model}_changelist"))

    assert answer.status_code == 200


def test_flag_is_switched_by_those_who_may_drive_everywhere(brand: Brand, log_in: LogIn) -> None:
    switch = Switch.objects.get(name=Flag.QUEUE_HOLDS.value)
    change = reverse("admin:waffle_switch_change", args=[switch.pk])
    page = log_in(brand, name="bob").get(reverse("admin:waffle_switch_changelist"))
    assert "queue-holds" in page.content.decode()
    assert log_in(brand, Right.EDIT, name="eve").post(change, {}).status_code == 403

    answer = log_in(brand, Right.REDRIVE).post(change, {})

    switch.refresh_from_db()
    assert answer.status_code == 302
    assert not switch.active
