"""Calls about contacts against the stand-in, and what their failures are taken for."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import resend

from apps.mail.resend import (
    Ambiguous,
    CallNotOffered,
    ContactCalls,
    ContactExists,
    ContactRefused,
    ContactUnknown,
    NewContact,
    ResendClient,
    ResendFailure,
    SurelyNotSent,
    Throttled,
)
from apps.sandbox.handle import ResendSandbox
from tests.integration.sandbox.talking import KEY, call

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = "ada+news@example.org"
UNKNOWN = "6e1d6b2e-90a3-4f39-b1b5-7d3b0a3a7d11"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResendSandbox]:
    with ResendSandbox(
        tmp_path_factory.mktemp("contacts"), accounts={"main": KEY}, rate_limit=0
    ) as server:
        yield server


@pytest.fixture
def sandbox(running: ResendSandbox) -> ResendSandbox:
    running.restore()
    running.reset()
    return running


@pytest.fixture
def calls(sandbox: ResendSandbox) -> Iterator[ContactCalls]:
    before = resend.default_http_client
    client = ResendClient(
        KEY, sandbox.url, connect_timeout_s=1.0, read_timeout_s=0.5, total_timeout_s=0.8
    )
    with closing(client):
        yield client.contacts
    resend.default_http_client = before


def segment(sandbox: ResendSandbox, name: str = "Gold") -> str:
    return str(call(sandbox, "POST", "/segments", {"name": name}).json["id"])


def topic(sandbox: ResendSandbox) -> str:
    body = {"name": "Digest", "default_subscription": "opt_out"}
    return str(call(sandbox, "POST", "/topics", body).json["id"])


def test_create_is_one_call_with_segments_and_topics(
    calls: ContactCalls, sandbox: ResendSandbox
) -> None:
    gold, digest = segment(sandbox), topic(sandbox)

    reply = calls.create(
        NewContact(ADA, first_name="Ada", segments=(gold,), topics={digest: "opt_in"})
    )

    [told] = sandbox.contact_calls()
    assert (told.contact, told.segments, told.topics) == (reply.value, [gold], {digest: "opt_in"})
    assert (reply.status, reply.latency_ms > 0) == (201, True)
    assert reply.rate.limit is not None


def test_segments_topics_and_leaving_are_told(calls: ContactCalls, sandbox: ResendSandbox) -> None:
    gold, silver, digest = segment(sandbox), segment(sandbox, "Silver"), topic(sandbox)
    contact = calls.create(NewContact(ADA, segments=(gold,))).value

    calls.add_segment(ADA, silver)
    calls.remove_segment(contact, gold)
    calls.update_topics(contact, {digest: "opt_out"})
    calls.set_unsubscribed(ADA, unsubscribed=True)

    assert calls.segments(contact).value == (silver,)
    told = sandbox.contact_calls()[-1]
    assert (told.segments, told.topics, told.unsubscribed) == ([silver], {digest: "opt_out"}, True)
    members = calls.members(silver).value
    assert [(one.id, one.email) for one in members.members] == [(contact, ADA)]
    assert not members.has_more


def test_set_call_is_sent_without_doubles_where_it_is_offered(
    calls: ContactCalls, sandbox: ResendSandbox
) -> None:
    gold, silver = segment(sandbox), segment(sandbox, "Silver")
    contact = calls.create(NewContact(ADA, segments=(gold,))).value
    with pytest.raises(CallNotOffered):
        calls.set_segments(contact, [silver])
    sandbox.configure(segment_set=True)

    calls.set_segments(contact, [silver, silver])

    assert calls.segments(contact).value == (silver,)


def test_refusals_say_what_to_do(calls: ContactCalls, sandbox: ResendSandbox) -> None:
    gold = segment(sandbox)
    contact = calls.create(NewContact(ADA)).value

    for refused, kind in (
        (lambda: calls.create(NewContact(ADA)), ContactExists),
        (lambda: calls.create(NewContact("bob@example.org", segments=(UNKNOWN,))), ContactRefused),
        (lambda: calls.segments("nobody@example.org"), ContactUnknown),
        (lambda: calls.add_segment(contact, UNKNOWN), ContactUnknown),
        (lambda: calls.remove_segment(contact, gold), ContactUnknown),
    ):
        with pytest.raises(kind):
            refused()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", Throttled),
        ("503", Ambiguous),
        ("500_after", Ambiguous),
        ("reset_before", Ambiguous),
        ("timeout_after", Ambiguous),
        ("slow_drip", Ambiguous),
        ("garbage", Ambiguous),
        ("html_502", Ambiguous),
        ("truncated", Ambiguous),
    ],
)
def test_faults_are_throttled_or_ambiguous(
    calls: ContactCalls, sandbox: ResendSandbox, fault: str, kind: type[ResendFailure]
) -> None:
    contact = calls.create(NewContact(ADA)).value
    sandbox.next_contact_fault(fault)
    began = time.monotonic()

    with pytest.raises(kind):
        calls.segments(contact)

    assert time.monotonic() - began < 2


def test_unreachable_provider_was_surely_not_asked() -> None:
    client = ResendClient(
        KEY, "http://127.0.0.1:9", connect_timeout_s=0.3, read_timeout_s=0.3, total_timeout_s=0.5
    )

    with closing(client), pytest.raises(SurelyNotSent):
        client.contacts.segments(ADA)


def test_import_hands_in_a_file_and_tells_its_counts(
    calls: ContactCalls, sandbox: ResendSandbox
) -> None:
    sandbox.configure(import_seconds=0)
    gold = segment(sandbox)

    started = calls.start_import(
        f"Mail\r\n{ADA}\r\nbob@example.org\r\n".encode(),
        column_map={"email": "Mail"},
        segments=[gold],
    )

    time.sleep(0.05)
    status = calls.import_status(started.value).value
    assert (status.status, status.counts["created"]) == ("completed", 2)
    assert len(calls.members(gold).value.members) == 2
