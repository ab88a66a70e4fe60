from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.talking import (
    RESTRICTED_KEY,
    Reply,
    call,
    connect,
    mail,
    read_reply,
    send,
)

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox


def refused(reply: Reply) -> tuple[int, str]:
    document = reply.json
    assert document["statusCode"] == reply.status
    assert document["message"]
    assert reply.headers["content-type"].startswith("application/json")
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(reply.headers)
    return reply.status, reply.name


def test_request_without_a_key_is_refused(sandbox: ResendSandbox) -> None:
    reply = call(sandbox, "POST", "/emails", mail(), key=None)

    assert refused(reply) == (401, "missing_api_key")


@pytest.mark.parametrize("scheme", ["Basic re_main", "Bearer", "Bearer "])
def test_request_with_another_scheme_is_refused(sandbox: ResendSandbox, scheme: str) -> None:
    reply = call(sandbox, "POST", "/emails", mail(), key=None, Authorization=scheme)

    assert refused(reply) == (401, "missing_api_key")


def test_unknown_key_is_refused(sandbox: ResendSandbox) -> None:
    assert refused(call(sandbox, "GET", "/emails", key="re_x")) == (403, "invalid_api_key")


@pytest.mark.parametrize("path", ["/emails", "/domains"])
def test_restricted_key_may_only_send(sandbox: ResendSandbox, path: str) -> None:
    assert refused(call(sandbox, "GET", path, key=RESTRICTED_KEY)) == (401, "restricted_api_key")
    assert call(sandbox, "POST", "/emails", mail(), key=RESTRICTED_KEY).status == 200


def test_request_without_user_agent_is_refused(sandbox: ResendSandbox) -> None:
    with connect(sandbox) as connection:
        connection.sendall(b"GET /emails HTTP/1.1\r\nAuthorization: Bearer re_main\r\n\r\n")
        reply = read_reply(connection)

    assert reply.status == 403
    assert "User-Agent" in reply.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", (404, "not_found")),
        ("GET", "/email", (404, "not_found")),
        ("GET", "/domains/a/b", (404, "not_found")),
        ("DELETE", "/emails", (405, "method_not_allowed")),
        ("GET", "/emails/batch", (405, "method_not_allowed")),
        ("GET", "/emails/not-a-uuid", (422, "invalid_parameter")),
        ("GET", "/emails/49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", (404, "not_found")),
        ("GET", "/domains/49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", (404, "not_found")),
        ("GET", "/emails?limit=0", (422, "validation_error")),
    ],
)
def test_unknown_place_is_refused(
    sandbox: ResendSandbox, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert refused(call(sandbox, method, path, {})) == expected


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/emails", b"{", (400, "validation_error")),
        ("/emails", b"", (400, "validation_error")),
        ("/emails", b'{"to": "\xff"}', (400, "validation_error")),
        ("/emails", [], (422, "validation_error")),
        ("/emails", {}, (422, "missing_required_field")),
        ("/emails/batch", {}, (422, "validation_error")),
        ("/emails/batch", [], (422, "validation_error")),
        ("/emails/batch", [mail()] * 101, (422, "validation_error")),
        ("/emails/batch", [mail(attachments=[{"path": "x"}])], (422, "validation_error")),
        ("/emails/batch", [mail(**{"from": "a@unknown.example"})], (403, "validation_error")),
        ("/domains", {}, (422, "missing_required_field")),
        ("/domains", {"name": "nodot"}, (422, "validation_error")),
        ("/domains", {"name": "news.example"}, (403, "validation_error")),
    ],
)
def test_bad_body_is_refused(
    sandbox: ResendSandbox, path: str, body: Any, expected: tuple[int, str]
) -> None:
    assert refused(call(sandbox, "POST", path, body)) == expected
    assert sandbox.stats().accepted == 0


def test_unknown_batch_validation_is_refused(sandbox: ResendSandbox) -> None:
    reply = call(sandbox, "POST", "/emails/batch", [mail()], x_batch_validation="lenient")

    assert refused(reply) == (422, "validation_error")


def test_permissive_batch_of_bad_items_only_is_answered_with_errors(
    sandbox: ResendSandbox,
) -> None:
    reply = call(
        sandbox, "POST", "/emails/batch", [mail(to="x")] * 2, x_batch_validation="permissive"
    )

    assert reply.status == 200
    assert reply.json["data"] == []
    assert [error["index"] for error in reply.json["errors"]] == [0, 1]


def test_unverified_sender_refuses_a_permissive_batch_as_a_whole(sandbox: ResendSandbox) -> None:
    items = [mail(), mail(**{"from": "a@unknown.example"})]

    reply = call(sandbox, "POST", "/emails/batch", items, x_batch_validation="permissive")

    assert refused(reply) == (403, "validation_error")
    assert sandbox.stats().accepted == 0


def test_percent_encoded_path_and_a_body_on_get_are_taken(sandbox: ResendSandbox) -> None:
    email_id = send(sandbox).json["id"]
    encoded = "".join(f"%{ord(letter):02X}" for letter in email_id)

    reply = call(sandbox, "GET", f"/emails/{encoded}", {})

    assert reply.json["id"] == email_id


def test_body_of_older_mails_is_not_kept(sandbox: ResendSandbox) -> None:
    sandbox.configure(keep_bodies=1, keep_emails=2)
    ids = [send(sandbox).json["id"] for _ in range(3)]

    found = [call(sandbox, "GET", f"/emails/{email_id}") for email_id in ids]

    assert [reply.status for reply in found] == [404, 200, 200]
    assert [reply.json["html"] for reply in found[1:]] == [None, "<p>Hi</p>"]
