"""The contact form: kept, checked, forwarded; and what becomes of it when the captcha is away."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from apps.contacts.models import Contact
from apps.mail.models import Message
from apps.newsletter import contact_form
from apps.newsletter.captcha import Verdict, Verifier
from apps.newsletter.models import ContactSubmission
from apps.newsletter.problems import SubmissionStateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.newsletter.conftest import Answer, Door

GOOD, BAD = "good-token", "bad-token"


class Turnstile(HTTPServer):
    """Answers as siteverify does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, list[str]]] = []
        self.answer: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/turnstile/v0/siteverify"


class _Handler(BaseHTTPRequestHandler):
    server: Turnstile

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        self.server.asked.append(form)
        good = b'{"success": true, "hostname": "www.harbour.example"}'
        bad = b'{"success": false, "error-codes": ["timeout-or-duplicate"]}'
        told = (200, good if form["response"] == [GOOD] else bad)
        status, body = self.server.answer or told
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def turnstile(settings: Any) -> Iterator[Turnstile]:
    with Turnstile() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        settings.CAPTCHA_VERIFY_URL = server.url
        yield server
        server.shutdown()


def write(door: Door, **more: Any) -> Answer:
    body = {"brand": "harbour", "email": "cleo@people.example", "message": "Hello\n<b>you</b>"}
    return door.post("contact", {**body, **more})


def submission() -> ContactSubmission:
    return ContactSubmission.objects.get()


def test_text_is_kept_and_forwarded_through_the_door_of_all_mail(door: Door) -> None:
    door.change(contact_forward_to="desk@harbour.example")

    answer = write(door, name="Cleo", subject="A question")

    assert (answer.status, answer.body) == (202, {"object": "submission", "status": "received"})
    assert submission().state == "forwarded"
    message = Message.objects.select_related("mailing").get()
    assert (message.address, message.mailing.name) == ("desk@harbour.example", "contact form")
    assert (message.variables or {})["message"] == "Hello\n<b>you</b>"
    assert Contact.objects.get().status == "unsubscribed"


@pytest.mark.parametrize("why", ["no address", "no sender"])
def test_text_that_cannot_be_forwarded_is_kept(door: Door, why: str) -> None:
    if why == "no sender":
        door.change(contact_forward_to="desk@harbour.example")
        door.sender.delete()

    assert write(door).status == 202

    assert submission().state == "kept"
    assert not Message.objects.exists()


def test_captcha_decides(door: Door, turnstile: Turnstile) -> None:
    door.change(captcha_secret="s3cret")

    answers = [write(door, captcha_token=token) for token in ("", BAD, GOOD)]

    assert [one.status for one in answers] == [422, 422, 202]
    assert list(answers[0].body["errors"]) == ["captcha_token"]
    assert [one["response"] for one in turnstile.asked] == [[BAD], [GOOD]]
    assert turnstile.asked[0]["secret"] == ["s3cret"]
    assert turnstile.asked[0]["remoteip"] == ["127.0.0.1"]
    assert submission().state == "kept"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"success": false, "error-codes": ["invalid-input-secret"]}'),
    ],
)
def test_text_is_held_where_the_captcha_cannot_be_checked(
    door: Door, turnstile: Turnstile, answer: tuple[int, bytes]
) -> None:
    door.change(captcha_secret="s3cret", contact_forward_to="desk@harbour.example")
    turnstile.answer = answer

    assert write(door, captcha_token=GOOD).status == 202

    assert submission().state == "held"
    assert not Message.objects.exists()
    contact_form.release(submission_id=submission().pk, by="user:1 anna")
    assert (submission().state, submission().decided_by) == ("forwarded", "user:1 anna")
    with pytest.raises(SubmissionStateError):
        contact_form.discard(submission_id=submission().pk, by="user:1 anna")


def test_service_that_is_away_is_not_asked_again_at_once() -> None:
    now = [0.0]
    verifier = Verifier("http://127.0.0.1:9/verify", total_seconds=0.5, clock=lambda: now[0])
    asked: list[float] = []
    request = verifier._transport.request
    verifier._transport.request = lambda *a, **k: asked.append(now[0]) or request(*a, **k)  # type: ignore[method-assign,func-returns-value]

    verdicts = []
    for at in (0.0, 1.0, 9.0, 11.0):
        now[0] = at
        verdicts.append(verifier.verify(secret="s", token="t", ip=None))

    assert verdicts == [Verdict.UNKNOWN] * 4
    assert asked == [0.0, 11.0]


def test_too_many_texts_are_told_when_to_come_again(door: Door, settings: Any) -> None:
    settings.CONTACT_FORM_HOURLY = 2
    clients = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]

    by_address = [write(door, message=str(n)) for n in range(1)]
    for client in clients:
        door.client.defaults["HTTP_X_FORWARDED_FOR"] = client
        by_address.append(write(door))
    door.client.defaults["HTTP_X_FORWARDED_FOR"] = clients[0]
    by_client = [write(door, email=f"p{n}@people.example") for n in range(2)]

    assert [one.status for one in by_address] == [202, 202, 429, 429]
    assert [one.status for one in by_client] == [202, 429]
    assert 0 < int(by_client[-1].headers["Retry-After"]) <= 3601
    assert ContactSubmission.objects.count() == 3
