from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.sandbox.handle import SandboxError
from tests.integration.sandbox.talking import DOMAIN, OTHER_KEY, call, mail, send

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox


def test_stats_count_requests_messages_and_refusals(sandbox: ResendSandbox) -> None:
    call(sandbox, "POST", "/emails/batch", [mail()] * 3, Idempotency_Key="k")
    call(sandbox, "POST", "/emails/batch", [mail()] * 3, Idempotency_Key="k")
    sandbox.configure(daily_quota=0)
    send(sandbox)

    stats = sandbox.stats()

    assert stats.requests == {"200": 2, "429": 1}
    assert (stats.sends, stats.accepted, stats.replayed) == (3, 3, 1)
    assert stats.refused_429 == {"daily_quota_exceeded": 1}
    assert stats.max_requests_per_second_by_account == {"main": 3, "other": 0}
    assert 0 < stats.cpu_seconds < 60


def test_request_log_has_a_line_per_request(sandbox: ResendSandbox) -> None:
    send(sandbox, idempotency_key="k")
    sandbox.next_fault("timeout_after", seconds=0.01)
    with pytest.raises(ConnectionError):
        send(sandbox)
    call(sandbox, "GET", "/emails", key=None)

    first, second, third = sandbox.requests()

    assert (first.method, first.path, first.status) == ("POST", "/emails", 200)
    assert (first.messages, first.accepted, first.account, first.key) == (1, 1, "main", "k")
    assert (second.status, second.fault, second.accepted) == (None, "timeout_after", 1)
    assert (third.status, third.error, third.account) == (401, "missing_api_key", None)
    assert first.t <= second.t <= third.t


def test_accepted_messages_are_read_in_pages(sandbox: ResendSandbox) -> None:
    call(sandbox, "POST", "/emails/batch", [mail()] * 5)

    first = call(sandbox, "GET", "/_sandbox/accepted?limit=3").json
    second = call(sandbox, "GET", f"/_sandbox/accepted?offset={first['next_offset']}").json

    assert [line["index"] for line in first["data"] + second["data"]] == [0, 1, 2, 3, 4]


def test_refused_change_changes_nothing(sandbox: ResendSandbox) -> None:
    before = sandbox.configure()

    with pytest.raises(SandboxError, match="jitter_ms"):
        sandbox.configure(latency_ms=5, jitter_ms=-1, domains={DOMAIN: "failed"})
    with pytest.raises(SandboxError, match="nobody: no such account"):
        sandbox.configure(
            accounts={"main": {"rate_limit": 1, "domains": {DOMAIN: "failed"}}, "nobody": {}}
        )

    assert sandbox.configure() == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"speed": 1}, "speed: no such setting"),
        ({"domains": {DOMAIN: "good"}}, "needs one of not_started"),
        ({"domains": [DOMAIN]}, "domains: expected an object"),
        ({"accounts": {"main": {"latency_ms": 1}}}, "latency_ms: no setting that can differ"),
        ({"accounts": {"main": {"rate_limit": "x"}}}, "rate_limit: expected a whole number"),
    ],
)
def test_bad_change_is_refused_by_name(
    sandbox: ResendSandbox, changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(SandboxError, match=expected):
        sandbox.configure(**changes)


def test_restore_goes_back_to_the_settings_of_the_start(sandbox: ResendSandbox) -> None:
    before = sandbox.configure()
    sandbox.configure(latency_ms=5, accounts={"main": {"rate_limit": 3}})

    sandbox.restore()

    assert sandbox.configure() == before


def test_domain_status_can_differ_by_account(sandbox: ResendSandbox) -> None:
    sandbox.configure(accounts={"main": {"domains": {DOMAIN: "failed"}}})

    assert send(sandbox).status == 403
    assert call(sandbox, "POST", "/emails", mail(), key=OTHER_KEY).status == 200


def test_reset_forgets_keys_quotas_mails_and_logs(sandbox: ResendSandbox) -> None:
    sandbox.configure(daily_quota=1)
    first = send(sandbox, idempotency_key="k")

    sandbox.reset()

    again = send(sandbox, idempotency_key="k")
    assert again.status == 200
    assert again.json != first.json
    assert len(list(sandbox.accepted())) == len(list(sandbox.requests())) == 1
    assert call(sandbox, "GET", f"/emails/{first.json['id']}").status == 404


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("GET nothing", b"", (404, "no such action")),
        ("DELETE stats", b"", (404, "no such action")),
        ("PATCH config", b"[]", (400, "needs to be a JSON object")),
        ("PATCH config", b"{", (400, "not JSON")),
        ("POST next-fault", b"{}", (400, "kind: expected one of")),
        ("POST next-fault", b'{"kind": "delay", "count": 0}', (400, "count: expected")),
        ("GET accepted?limit=x", b"", (400, "limit: expected")),
    ],
)
def test_bad_control_request_is_refused(
    sandbox: ResendSandbox, request_line: str, body: bytes, expected: tuple[int, str]
) -> None:
    method, path = request_line.split()

    reply = call(sandbox, method, f"/_sandbox/{path}", body, key=None)

    assert reply.status == expected[0]
    assert expected[1] in reply.json["error"]
