"""The provider's calls: leaving at once, joining never by them alone, one answer to each word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apps.sms.callbacks import applying, replying
from apps.sms.calling import singles
from apps.sms.lime import Kind, Verdict
from apps.sms.models import LimeCallback, OptInList, Subscriber, TextReply
from tests.factories.texts import LimeAccountFactory, SubscriberFactory, SubscriptionFactory

if TYPE_CHECKING:
    from django.test import Client

    from apps.brands.models import ProviderAccount
    from apps.sms.models import Subscription

NUMBER = "17325550100"
PHONE = "+17325550100"
DEFAULT_REPLY = "You are unsubscribed"


@pytest.fixture
def account(db: None) -> ProviderAccount:
    return LimeAccountFactory.create()


@pytest.fixture
def ours(account: ProviderAccount) -> Subscription:
    """Anna belongs to two brands; list 7 is of this one."""
    anna = SubscriberFactory.create(phone=PHONE, first_name="Anna")
    SubscriptionFactory.create(subscriber=anna)
    own = SubscriptionFactory.create(subscriber=anna)
    OptInList.objects.create(brand=own.brand, account=account, list_id="7")
    return own


class Line:
    """What the provider calls, and what it says."""

    def __init__(self, client: Client, account: ProviderAccount) -> None:
        self.path = f"/hooks/lime/{account.webhook_token}"
        self._client = client

    def get(self, action: str, **fields: str) -> Any:
        return self._client.get(self.path, {"action": action, "mobile_number": NUMBER, **fields})

    def post(self, action: str, **fields: str) -> Any:
        return self._client.post(self.path, {"action": action, "mobile_number": NUMBER, **fields})


@pytest.fixture
def line(client: Client, account: ProviderAccount) -> Line:
    return Line(client, account)


def active() -> list[bool]:
    anna = Subscriber.objects.get(phone=PHONE)
    return list(anna.subscriptions.order_by("pk").values_list("active", flat=True))


def test_optout_leaves_the_lists_brand_at_once(line: Line, ours: Subscription) -> None:
    answer = line.get("optout", list_id="7", keyword="STOP")

    assert answer.json() == {"received": True, "new": True}
    assert active() == [True, False]
    reply = TextReply.objects.get()
    assert (reply.phone, reply.kind, reply.brand) == (PHONE, "stop", ours.brand)
    assert reply.body.startswith(DEFAULT_REPLY)
    assert reply.expires_at - reply.created_at <= timedelta(minutes=5, seconds=1)


@pytest.mark.parametrize("fields", [{"list_id": "99"}, {}, {"list_id": "7", "keyword": "StopAll"}])
def test_optout_of_who_knows_what_leaves_everything(
    line: Line, ours: Subscription, fields: dict[str, str]
) -> None:
    line.post("optout", **fields)

    assert active() == [False, False]
    assert Subscriber.objects.get().status == "OPTOUT"


def test_optout_all_of_a_stranger_is_remembered(line: Line, ours: Subscription) -> None:
    Subscriber.objects.update(phone="+12125550100")

    line.post("optout-all")

    stranger = Subscriber.objects.get(phone=PHONE)
    assert (stranger.status, stranger.state) == ("OPTOUT", "NJ")


def test_repetitions_are_stored_and_answered_once(line: Line, ours: Subscription) -> None:
    answers = [line.post("optout", list_id="7") for _ in range(3)]

    assert [one.json()["new"] for one in answers] == [True, False, False]
    assert LimeCallback.objects.count() == 1
    assert TextReply.objects.count() == 1


def test_a_repeated_optout_after_another_call_counts(line: Line, ours: Subscription) -> None:
    line.post("optout", list_id="7")
    line.post("optin", list_id="7")
    ours.active, ours.opted_out_at = True, None
    ours.save()

    line.post("optout", list_id="7")

    assert active() == [True, False]
    assert LimeCallback.objects.count() == 3


def test_optin_alone_opts_nobody_in(line: Line, ours: Subscription) -> None:
    line.post("optout", list_id="7")
    line.post("optin", list_id="7", firstName="Mallory", lastName="Park", email="a@example.com")

    applying.apply_callbacks()

    assert active() == [True, False]
    anna = Subscriber.objects.get()
    assert (anna.first_name, anna.last_name, anna.email) == ("Anna", "Park", "a@example.com")
    outcomes = list(LimeCallback.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes[1].startswith("left to the next list sync")
    assert not LimeCallback.objects.filter(state="waiting").exists()


def test_help_is_answered_even_to_those_who_left(line: Line, ours: Subscription) -> None:
    line.post("optout", list_id="7")
    line.post("update", list_id="7", keyword="HELP (71441-US)")
    line.post("update", list_id="7", keyword=" info! ")

    kinds = list(TextReply.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["stop", "help", "help"]
    assert active() == [True, False]


def test_a_word_to_stop_in_any_call_counts(line: Line, ours: Subscription) -> None:
    line.post("update", list_id="7", keyword="Opt-Out")

    assert active() == [True, False]


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "explode", "mobile_number": NUMBER},
        {"action": "optin"},
        {"action": "optin", "mobile_number": "911"},
        {"action": "optin", "mobile_number": NUMBER, "x": "y" * 600},
        {"action": "optin", "mobile_number": NUMBER, **{f"f{n}": "1" for n in range(50)}},
        {"action": "optin", "mobile_number": NUMBER, "x": "a\x00b"},
    ],
)
def test_what_cannot_be_understood(client: Client, line: Line, fields: dict[str, str]) -> None:
    answer = client.post(line.path, fields)

    assert answer.status_code == 400
    assert not LimeCallback.objects.exists()


def test_who_may_call(client: Client, line: Line, settings: Any, account: ProviderAccount) -> None:
    from ipaddress import ip_network

    assert client.get("/hooks/lime/unknown-token-unknown").status_code == 404
    assert client.put(line.path).status_code == 405
    settings.LIME_CALLBACK_NETWORKS = [ip_network("203.0.113.0/24")]
    assert line.get("optin").status_code == 404
    settings.LIME_CALLBACK_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.TRUSTED_PROXIES = []
    assert line.get("optin").status_code == 200


def waiting(ours: Subscription, account: ProviderAccount) -> TextReply:
    return TextReply.objects.create(
        brand=ours.brand,
        account=account,
        phone=PHONE,
        body="bye",
        kind="stop",
        expires_at=timezone.now() + timedelta(minutes=5),
    )


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Kind.ACCEPTED, "sent"),
        (Kind.REFUSED, "failed"),
        (Kind.AMBIGUOUS, "unknown"),
        (Kind.NOT_SENT, "waiting"),
    ],
)
def test_replies_are_settled_by_the_verdict(
    ours: Subscription, account: ProviderAccount, monkeypatch: Any, kind: Kind, state: str
) -> None:
    reply = waiting(ours, account)
    seen = []

    def send_one(**call: Any) -> Verdict:
        seen.append((call["phone"], call["body"], TextReply.objects.get().state))
        return Verdict(kind, "because")

    monkeypatch.setattr(singles, "send_one", send_one)

    assert replying.send_replies() == 1
    assert replying.send_replies() == 0

    reply.refresh_from_db()
    assert (reply.state, reply.attempts) == (state, 1)
    assert seen == [(PHONE, "bye", "calling")]


def test_replies_too_late_or_in_doubt_are_never_sent(
    ours: Subscription, account: ProviderAccount, monkeypatch: Any
) -> None:
    late, doubtful = waiting(ours, account), waiting(ours, account)
    past = timezone.now() - timedelta(seconds=1)
    TextReply.objects.filter(pk=late.pk).update(expires_at=past)
    TextReply.objects.filter(pk=doubtful.pk).update(state="calling", due_at=past)
    monkeypatch.setattr(singles, "send_one", None)

    assert replying.send_replies() == 0

    states = list(TextReply.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["expired", "unknown"]
