from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from apps.sandbox.handle import SandboxError
from tests.integration.sandbox.receiver import SECRET, Receiver
from tests.integration.sandbox.talking import OTHER_KEY, call, mail, send

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox


def listen(sandbox: ResendSandbox, receiver: Receiver, **settings: Any) -> None:
    fast = {"event_delay_ms": 10, "webhook_retry_scale": 0.01}
    given = {"webhook_url": receiver.url, "webhook_secret": SECRET, **fast, **settings}
    sandbox.configure(**given)


def test_events_of_a_mail_arrive_signed(sandbox: ResendSandbox, receiver: Receiver) -> None:
    listen(sandbox, receiver)

    email_id = send(sandbox, tags=[{"name": "message", "value": "7"}]).json["id"]

    hooks = receiver.wait(2)
    assert {hook.type for hook in hooks} == {"email.sent", "email.delivered"}
    assert len({hook.id for hook in hooks}) == 2
    for hook in hooks:
        hook.verify()
        assert hook.document["data"]["email_id"] == email_id
        assert hook.document["data"]["tags"] == {"message": "7"}


def test_event_signed_with_another_secret_does_not_verify(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver, webhook_secret="whsec_b3RoZXI=")

    send(sandbox)

    with pytest.raises(ValueError, match="no matching signature"):
        receiver.wait(1)[0].verify()


def test_bounce_by_rule_is_permanent(sandbox: ResendSandbox, receiver: Receiver) -> None:
    listen(sandbox, receiver)

    send(sandbox, to="x@bounce.test")

    [bounced] = [hook for hook in receiver.wait(2) if hook.type == "email.bounced"]
    assert bounced.document["data"]["bounce"]["type"] == "Permanent"
    assert bounced.document["data"]["to"] == ["x@bounce.test"]


def test_failed_delivery_is_repeated_under_the_same_id(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver)
    receiver.answers = [500]

    send(sandbox, to="suppressed@resend.dev")

    first, second = receiver.wait(2)
    assert first.id == second.id
    assert first.body == second.body
    assert second.at - first.at >= 0.04
    second.verify()
    assert sandbox.stats().webhooks.failed == 1


def test_delivery_that_always_fails_is_given_up_after_eight_attempts(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver, webhook_retry_scale=0.000001)
    receiver.answers = [503] * 20

    send(sandbox, to="suppressed@resend.dev")

    hooks = receiver.wait(8)
    time.sleep(0.2)
    assert len(receiver.hooks) == 8
    assert len({hook.id for hook in hooks}) == 1
    assert (sandbox.stats().webhooks.failed, sandbox.stats().webhooks.given_up) == (8, 1)


def test_endpoint_that_is_away_gets_its_events_later(sandbox: ResendSandbox) -> None:
    with Receiver() as gone:
        url = gone.url
    sandbox.configure(webhook_url=url, webhook_secret=SECRET, event_delay_ms=0)
    sandbox.configure(webhook_retry_scale=0.05)
    send(sandbox, to="suppressed@resend.dev")

    with Receiver() as back:
        sandbox.configure(webhook_url=back.url)

        back.wait(1)[0].verify()


def test_endpoint_that_hangs_up_after_each_answer_gets_each_event_once(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver)
    receiver.hangs_up = True

    for number in range(1, 13):
        send(sandbox, to="suppressed@resend.dev")
        receiver.wait(number)

    assert len({hook.id for hook in receiver.hooks}) == len(receiver.hooks) == 12
    assert sandbox.stats().webhooks.failed == 0


def test_duplicates_have_the_same_id(sandbox: ResendSandbox, receiver: Receiver) -> None:
    listen(sandbox, receiver, webhook_duplicates=1.0)

    send(sandbox)

    ids = Counter(hook.id for hook in receiver.wait(4))
    assert list(ids.values()) == [2, 2]


def test_reordered_events_arrive_out_of_order_with_true_times(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver, webhook_reorder=0.5)

    for number in range(20):
        send(sandbox, to=f"person{number}@example.org")

    seen: dict[str, list[str]] = {}
    for hook in receiver.wait(40):
        seen.setdefault(hook.document["data"]["email_id"], []).append(hook.document["created_at"])
    assert any(times != sorted(times) for times in seen.values())
    assert any(times == sorted(times) for times in seen.values())


def test_webhooks_switched_off_send_nothing(sandbox: ResendSandbox, receiver: Receiver) -> None:
    listen(sandbox, receiver, webhooks=False)

    send(sandbox)
    time.sleep(0.15)

    assert receiver.hooks == []
    assert sandbox.stats().webhooks.pending == 0


def test_events_due_while_webhooks_are_off_are_dropped(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver, event_delay_ms=200)
    send(sandbox, to="suppressed@resend.dev")

    sandbox.configure(webhooks=False)
    time.sleep(0.35)

    assert receiver.hooks == []
    assert sandbox.stats().webhooks.dropped == 1


def test_account_has_its_own_endpoint_and_secret(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver)
    secret = "whsec_b3RoZXI="
    with Receiver() as second:
        own = {"webhook_url": second.url, "webhook_secret": secret}
        sandbox.configure(accounts={"other": own})

        call(sandbox, "POST", "/emails", mail(to="suppressed@resend.dev"), key=OTHER_KEY)

        second.wait(1)[0].verify(secret)
    assert receiver.hooks == []


def test_accepted_but_unanswered_mail_still_has_its_events(
    sandbox: ResendSandbox, receiver: Receiver
) -> None:
    listen(sandbox, receiver)
    sandbox.next_fault("reset_after")

    with pytest.raises(ConnectionResetError):
        send(sandbox)

    [message] = sandbox.accepted()
    assert receiver.wait(1)[0].document["data"]["email_id"] == message.id


def test_bad_endpoint_is_refused(sandbox: ResendSandbox) -> None:
    with pytest.raises(SandboxError, match="webhook_url: expected an http:// URL"):
        sandbox.configure(webhook_url="https://example.org/")
