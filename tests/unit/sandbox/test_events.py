from __future__ import annotations

from typing import Any

import pytest

from apps.sandbox.resend.events import last_event, payload, timeline
from apps.sandbox.resend.mailbox import Email
from apps.sandbox.resend.settings import Settings


def email(address: str = "ada@example.org", *, starts_at: float = 1_000.0) -> Email:
    message = {"from": "News <news@news.example>", "to": address, "subject": "Hello"}
    return Email("id-1", 1_000.0, address, message, starts_at, {"message": "7"})


def course(address: str, **settings: Any) -> list[str]:
    return [name for _, name in timeline(email(address), Settings().changed(settings))]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("delivered@resend.dev", ["sent", "delivered"]),
        ("bounced@resend.dev", ["sent", "bounced"]),
        ("bounced+label@resend.dev", ["sent", "bounced"]),
        ("complained@resend.dev", ["sent", "delivered", "complained"]),
        ("suppressed@resend.dev", ["suppressed"]),
        ("somebody@resend.dev", ["sent", "delivered"]),
        ("any@bounce.test", ["sent", "bounced"]),
        ("any@deep.below.bounce.test", ["sent", "bounced"]),
        ("any@notbounce.test", ["sent", "delivered"]),
        ("any@complaint.test", ["sent", "delivered", "complained"]),
        ("ada@example.org", ["sent", "delivered"]),
    ],
)
def test_address_decides_the_course_of_a_mail(address: str, expected: list[str]) -> None:
    assert course(address) == expected


def test_rule_for_a_domain_can_be_set() -> None:
    rules = {"reader.test": "clicked"}

    assert course("x@reader.test", outcomes=rules) == ["sent", "delivered", "opened", "clicked"]
    assert course("x@bounce.test", outcomes=rules) == ["sent", "delivered"]


def test_rates_are_met_and_the_same_for_the_same_seed() -> None:
    people = [f"person{n}@example.org" for n in range(4_000)]
    rates = {"bounced": 0.1, "opened": 0.5}

    courses = [tuple(course(person, event_rates=rates)) for person in people]

    assert 300 < sum("bounced" in names for names in courses) < 500
    assert 1_600 < sum("opened" in names for names in courses) < 2_000
    assert courses == [tuple(course(person, event_rates=rates)) for person in people]
    assert courses != [tuple(course(person, event_rates=rates, seed=2)) for person in people]


def test_rates_of_one_for_all_give_the_whole_course() -> None:
    rates = dict.fromkeys(("complained", "opened", "clicked"), 1.0)

    names = course("ada@example.org", event_rates=rates)

    assert names == ["sent", "delivered", "opened", "clicked", "complained"]


def test_last_event_follows_the_clock() -> None:
    settings = Settings().changed({"event_delay_ms": 100})
    found = [last_event(email(), settings, now=1_000.0 + after) for after in (0, 0.1, 0.15, 0.2)]

    assert found == ["queued", "sent", "sent", "delivered"]


def test_scheduled_mail_waits() -> None:
    mail, settings = email(starts_at=2_000.0), Settings()

    assert last_event(mail, settings, now=1_500.0) == "scheduled"
    assert last_event(mail, settings, now=2_001.0) == "delivered"


def test_payload_has_tags_as_an_object_and_times_in_iso() -> None:
    body = payload(email(), (1_000.5, "delivered"))

    assert body == {
        "type": "email.delivered",
        "created_at": "1970-01-01T00:16:40.500Z",
        "data": {
            "email_id": "id-1",
            "message_id": "<id-1@sandbox.resend.dev>",
            "created_at": "1970-01-01T00:16:40.000Z",
            "from": "News <news@news.example>",
            "to": ["ada@example.org"],
            "subject": "Hello",
            "tags": {"message": "7"},
        },
    }


def test_payload_of_a_bounce_is_permanent_and_of_a_click_has_its_link() -> None:
    assert payload(email(), (0.0, "bounced"))["data"]["bounce"]["type"] == "Permanent"
    assert set(payload(email(), (0.0, "clicked"))["data"]["click"]) == {
        "ipAddress",
        "link",
        "timestamp",
        "userAgent",
    }
