"""Contacts, segments, topics and imports, with the official SDK and without."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import resend
from resend.exceptions import ResendError

from tests.integration.sandbox.talking import OTHER_KEY, call

if TYPE_CHECKING:
    from apps.sandbox.handle import ResendSandbox

pytestmark = pytest.mark.usefixtures("sdk")

ADA = "ada+news@example.org"


def make_segment(name: str = "Gold") -> str:
    return str(resend.Segments.create({"name": name})["id"])


def make_topic() -> str:
    return str(resend.Topics.create({"name": "Digest", "default_subscription": "opt_out"})["id"])


def make_contact(**fields: Any) -> str:
    return str(resend.Contacts.create({"email": ADA, **fields})["id"])  # type: ignore[typeddict-item]  # what tests give


def segments_of(contact: str) -> list[str]:
    listed = resend.Contacts.Segments.list({"contact_id": contact})
    return [segment["id"] for segment in listed["data"]]


def test_create_carries_segments_and_topics_in_one_call(sandbox: ResendSandbox) -> None:
    segment, topic = make_segment(), make_topic()

    contact = make_contact(
        first_name="Ada",
        segments=[{"id": segment}],
        topics=[{"id": topic, "subscription": "opt_in"}],
    )

    [told] = sandbox.contact_calls()
    assert (told.operation, told.contact, told.email) == ("create", contact, ADA)
    assert (told.segments, told.topics) == ([segment], {topic: "opt_in"})
    assert resend.Contacts.get(email=ADA)["first_name"] == "Ada"
    [listed] = resend.Contacts.Topics.list(email=ADA)["data"]
    assert listed["subscription"] == "opt_in"


def test_shapes_of_the_specification_are_taken_too(sandbox: ResendSandbox) -> None:
    segment, topic = make_segment(), make_topic()
    body = {"email": ADA, "segments": [segment]}
    choice = {"topics": [{"id": topic, "subscription": "opt_in"}]}

    created = call(sandbox, "POST", "/contacts", body)
    changed = call(sandbox, "PATCH", f"/contacts/{ADA}/topics", choice)

    assert (created.status, changed.status) == (201, 200)
    assert sandbox.contact_calls()[-1].topics == {topic: "opt_in"}
    assert segments_of(created.json["id"]) == [segment]


def test_segments_change_one_at_a_time(sandbox: ResendSandbox) -> None:
    gold, silver = make_segment(), make_segment("Silver")
    contact = make_contact(segments=[{"id": gold}])

    resend.Contacts.Segments.add({"contact_id": contact, "segment_id": silver})
    resend.Contacts.Segments.add({"email": ADA, "segment_id": silver})
    resend.Contacts.Segments.remove({"contact_id": contact, "segment_id": gold})

    assert segments_of(contact) == [silver]
    told = [(one.operation, one.segment) for one in sandbox.contact_calls()]
    assert told[1:4] == [("add", silver), ("add", silver), ("remove", gold)]
    members = resend.Contacts.list(segment_id=silver)["data"]
    assert [member["id"] for member in members] == [contact]


def test_what_is_not_there_is_404(sandbox: ResendSandbox) -> None:
    contact, segment = make_contact(), make_segment()
    unknown = "6e1d6b2e-90a3-4f39-b1b5-7d3b0a3a7d11"
    paths = [
        ("GET", f"/contacts/{unknown}"),
        ("GET", "/contacts/nobody@example.org/segments"),
        ("POST", f"/contacts/{contact}/segments/{unknown}"),
        ("DELETE", f"/contacts/{contact}/segments/{segment}"),
        ("PUT", f"/contacts/{contact}/segments"),
        ("GET", f"/contacts/{contact}/odd"),
    ]

    replies = [call(sandbox, *path, {}) for path in paths]

    assert [(reply.status, reply.name) for reply in replies] == [(404, "not_found")] * len(paths)
    assert call(sandbox, "DELETE", "/contacts", {}).status == 405
    assert call(sandbox, "GET", f"/contacts/{contact}", key=OTHER_KEY).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "Ada <ada@example.org>"},
        {"email": ADA, "segments": ["nothing"]},
        {"email": ADA, "topics": [{"id": "nothing", "subscription": "opt_in"}]},
        {"email": ADA, "topics": [{"id": "nothing", "subscription": "maybe"}]},
        {"email": ADA, "unsubscribed": "yes"},
    ],
)
def test_create_that_does_not_fit_is_refused(sandbox: ResendSandbox, body: dict[str, Any]) -> None:
    reply = call(sandbox, "POST", "/contacts", body)

    assert reply.status == 422


@pytest.mark.parametrize(
    ("reading", "status", "name"),
    [("refuse", 409, "Ada"), ("return", 201, "Ada"), ("update", 201, "Eve")],
)
def test_creating_a_known_contact_follows_the_reading(
    sandbox: ResendSandbox, reading: str, status: int, name: str
) -> None:
    make_contact(first_name="Ada")
    sandbox.configure(contact_exists=reading)

    reply = call(sandbox, "POST", "/contacts", {"email": ADA.upper(), "first_name": "Eve"})

    assert reply.status == status
    assert resend.Contacts.get(email=ADA)["first_name"] == name


def test_patch_changes_fields_and_knows_no_segments(sandbox: ResendSandbox) -> None:
    contact = make_contact()

    resend.Contacts.update({"id": contact, "unsubscribed": True})
    refused = call(sandbox, "PATCH", f"/contacts/{contact}", {"segments": []})

    assert refused.status == 422
    assert resend.Contacts.get(id=contact)["unsubscribed"] is True


def test_deleted_contact_is_gone(sandbox: ResendSandbox) -> None:
    contact = make_contact()

    resend.Contacts.remove(id=contact)

    assert call(sandbox, "GET", f"/contacts/{ADA}", {}).status == 404
    assert call(sandbox, "POST", "/contacts", {"email": ADA}).status == 201


def test_set_call_is_there_only_when_switched_on(sandbox: ResendSandbox) -> None:
    gold, silver = make_segment(), make_segment("Silver")
    contact = make_contact(segments=[{"id": gold}])
    sandbox.configure(segment_set=True)
    path = f"/contacts/{contact}/segments"

    twice = call(sandbox, "PUT", path, {"segments": [silver, silver]})
    reply = call(sandbox, "PUT", path, {"segments": [{"id": silver}]})

    assert (twice.status, reply.status) == (422, 200)
    assert segments_of(contact) == [silver]


def test_fault_after_acceptance_has_changed_the_contact(sandbox: ResendSandbox) -> None:
    contact, segment = make_contact(), make_segment()
    path = f"/contacts/{contact}/segments/{segment}"
    sandbox.next_contact_fault("503")
    before = call(sandbox, "POST", path, {})
    sandbox.next_contact_fault("500_after")

    after = call(sandbox, "POST", path, {})

    assert (before.status, after.status) == (503, 500)
    assert segments_of(contact) == [segment]
    assert sandbox.stats().contact_faults == {"503": 1, "500_after": 1}


def test_log_tells_when_each_call_began_and_ended(sandbox: ResendSandbox) -> None:
    sandbox.configure(latency_ms=60)

    make_contact()

    [told] = sandbox.contact_calls()
    assert 0.06 <= told.ended - told.t < 1


def test_calls_count_against_the_account_s_limit(sandbox: ResendSandbox) -> None:
    make_contact()
    sandbox.configure(rate_limit=1)
    call(sandbox, "GET", "/contacts", {})

    with pytest.raises(ResendError) as raised:
        resend.Contacts.Segments.list({"email": ADA})

    assert raised.value.code == 429


def finished_import(import_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 5
    while (found := dict(resend.Contacts.Imports.get(import_id)))["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_import_adds_and_updates_and_takes_nothing_away(sandbox: ResendSandbox) -> None:
    sandbox.configure(import_seconds=0.05)
    gold, silver = make_segment(), make_segment("Silver")
    contact = make_contact(segments=[{"id": gold}], first_name="Ada")
    file = b"Mail,Name\r\n%s,Augusta\r\nbob@example.org,Bob\r\nnobody,X\r\n" % ADA.encode()

    started = resend.Contacts.Imports.create(
        {
            "file": file,
            "column_map": {"email": "Mail", "first_name": "Name"},
            "on_conflict": "upsert",
            "segments": [{"id": silver}],
        }
    )

    found = finished_import(started["id"])
    assert found["counts"] == {"total": 3, "created": 1, "updated": 1, "skipped": 0, "failed": 1}
    assert sorted(segments_of(contact)) == sorted([gold, silver])
    assert resend.Contacts.get(id=contact)["first_name"] == "Augusta"


def test_import_skips_known_contacts_unless_told_otherwise(sandbox: ResendSandbox) -> None:
    sandbox.configure(import_seconds=0)
    contact, segment = make_contact(), make_segment()

    started = resend.Contacts.Imports.create(
        {"file": f"email\n{ADA}\n".encode(), "segments": [{"id": segment}]}
    )

    assert finished_import(started["id"])["counts"]["skipped"] == 1
    assert segments_of(contact) == []


def test_import_without_a_usable_form_is_refused(sandbox: ResendSandbox) -> None:
    reply = call(sandbox, "POST", "/contacts/imports", {"file": "x"})

    assert (reply.status, reply.name) == (422, "validation_error")
