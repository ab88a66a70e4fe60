"""The official Python SDK works against the stand-in unchanged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import resend
from resend.exceptions import ResendError, ValidationError

from tests.integration.sandbox.talking import DOMAIN, mail

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox

pytestmark = pytest.mark.usefixtures("sdk")


def batch(count: int, **changes: Any) -> list[Any]:
    return [mail(to=f"person{n}@example.org", **changes) for n in range(count)]


def test_send_gives_an_id_and_the_mail_is_in_the_log(sandbox: ResendSandbox) -> None:
    tags = [{"name": "message", "value": "7"}]
    headers = {"list-unsubscribe": "<https://news.example/u/1>"}

    sent = resend.Emails.send(mail(tags=tags, headers=headers), {"idempotency_key": "k-1"})  # type: ignore[arg-type]  # built by `mail`

    [logged] = sandbox.accepted()
    assert logged.id == sent["id"] == str(UUID(sent["id"]))
    assert (logged.account, logged.to, logged.sender) == (
        "main",
        ("ada@example.org",),
        f"News <news@{DOMAIN}>",
    )
    assert (logged.subject, logged.tags, logged.key) == ("Hello", {"message": "7"}, "k-1")
    assert logged.list_unsubscribe == "<https://news.example/u/1>"
    assert logged.index is None


def test_answer_has_the_rate_limit_headers(sandbox: ResendSandbox) -> None:
    sandbox.configure(rate_limit=5)

    headers = resend.Emails.send(mail())["http_headers"]  # type: ignore[arg-type]  # built by `mail`

    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("5", "4")
    assert headers["ratelimit-reset"] == "1"


def test_strict_batch_gives_ids_in_order(sandbox: ResendSandbox) -> None:
    sent = resend.Batch.send(batch(100), {"idempotency_key": "b-1"})

    logged = list(sandbox.accepted())
    assert [message.id for message in logged] == [item["id"] for item in sent["data"]]
    assert [message.index for message in logged] == list(range(100))
    assert {message.key for message in logged} == {"b-1"}
    assert "errors" not in sent


def test_strict_batch_with_one_bad_item_sends_nothing(sandbox: ResendSandbox) -> None:
    with pytest.raises(ValidationError, match="Email at index 2: Invalid `to` field"):
        resend.Batch.send([*batch(2), mail(to="nobody")])  # type: ignore[list-item]  # built by `mail`

    assert list(sandbox.accepted()) == []


def test_permissive_batch_sends_the_good_ones_and_names_the_bad(sandbox: ResendSandbox) -> None:
    items = [mail(to="nobody"), *batch(2), mail(subject=""), *batch(1)]

    sent = resend.Batch.send(items, {"batch_validation": "permissive", "idempotency_key": "b-2"})

    logged = list(sandbox.accepted())
    assert [error["index"] for error in sent["errors"]] == [0, 3]
    assert "`subject`" in sent["errors"][1]["message"]
    assert [message.id for message in logged] == [item["id"] for item in sent["data"]]
    assert [message.index for message in logged] == [1, 2, 4]


def test_same_key_and_body_gives_the_same_ids(sandbox: ResendSandbox) -> None:
    first = resend.Batch.send(batch(3), {"idempotency_key": "b-3"})
    again = resend.Batch.send(batch(3), {"idempotency_key": "b-3"})

    assert again["data"] == first["data"]
    assert len(list(sandbox.accepted())) == 3


def test_get_tells_the_mail_and_its_last_event(sandbox: ResendSandbox) -> None:
    sandbox.configure(event_delay_ms=0)
    sent = resend.Emails.send(mail(to="x@bounce.test", cc=["y@example.org"]))  # type: ignore[arg-type]  # built by `mail`

    found: Any = resend.Emails.get(sent["id"])

    assert (found["to"], found["cc"], found["bcc"]) == (["x@bounce.test"], ["y@example.org"], [])
    assert (found["subject"], found["html"], found["text"]) == ("Hello", "<p>Hi</p>", None)
    assert found["last_event"] == "bounced"


def test_list_pages_from_the_newest_on() -> None:
    ids = [resend.Emails.send(mail())["id"] for _ in range(5)]  # type: ignore[arg-type]  # built by `mail`

    first = resend.Emails.list({"limit": 2})
    rest = resend.Emails.list({"limit": 10, "after": ids[3]})

    assert [item["id"] for item in first["data"]] == [ids[4], ids[3]]
    assert first["has_more"] is True
    assert [item["id"] for item in rest["data"]] == [ids[2], ids[1], ids[0]]
    assert rest["has_more"] is False


def test_domains_are_listed_with_their_status(sandbox: ResendSandbox) -> None:
    sandbox.configure(domains={DOMAIN: "pending"})

    domains = {domain["name"]: domain["status"] for domain in resend.Domains.list()["data"]}

    assert domains[DOMAIN] == "pending"


def test_new_domain_has_to_be_verified_before_it_sends(sandbox: ResendSandbox) -> None:
    name = f"fresh-{sandbox.stats().uptime_seconds:.6f}.example".replace(".", "-", 1)
    domain = resend.Domains.create({"name": name})
    sender = {"from": f"news@{name}"}
    with pytest.raises(ResendError, match="domain is not verified") as caught:
        resend.Emails.send(mail(**sender))  # type: ignore[arg-type]  # built by `mail`
    assert (caught.value.code, caught.value.error_type) == (403, "validation_error")

    resend.Domains.verify(domain["id"])

    assert resend.Domains.get(domain["id"])["status"] == "verified"
    assert resend.Emails.send(mail(**sender))["id"]  # type: ignore[arg-type]  # built by `mail`


def test_status_set_by_hand_outlives_a_verification_under_way(sandbox: ResendSandbox) -> None:
    sandbox.configure(domains={DOMAIN: "failed"}, domain_verify_seconds=0.1)
    [domain] = [found for found in resend.Domains.list()["data"] if found["name"] == DOMAIN]
    resend.Domains.verify(domain["id"])
    assert resend.Domains.get(domain["id"])["status"] == "pending"

    sandbox.configure(domains={DOMAIN: "temporary_failure"})
    time.sleep(0.2)

    assert resend.Domains.get(domain["id"])["status"] == "temporary_failure"


def test_unknown_key_is_an_invalid_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_key", "re_unknown")

    with pytest.raises(ResendError) as caught:
        resend.Emails.send(mail())  # type: ignore[arg-type]  # built by `mail`

    assert (caught.value.code, caught.value.error_type) == (403, "invalid_api_key")
