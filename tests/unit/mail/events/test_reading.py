"""What events mean, whatever their data looks like."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.contacts.models import SuppressionReason
from apps.mail.events.reading import (
    STANDINGS,
    Report,
    Standing,
    WaitingEvent,
    concerns_mail,
    read,
)
from tests.unit.mail.events.test_receiving import json_values

AT = datetime(2027, 3, 15, 12, tzinfo=UTC)
TAGS = {"mailing": "7", "message": "9"}


def event(type_: str, data: Any) -> WaitingEvent:
    payload = orjson.dumps({"type": type_, "data": data}).decode()
    return WaitingEvent(date(2027, 3, 1), 1, 1, type_, AT, payload)


def report(type_: str, **data: Any) -> Report:
    found = read(event(type_, {"email_id": "e-1", "to": ["a@b.test"], "tags": TAGS, **data}))
    assert found is not None
    return found


def test_ids_are_those_of_the_tags() -> None:
    found = report("email.delivered")

    assert (found.mailing_id, found.message_id) == (7, 9)
    assert (found.provider_id, found.address) == ("e-1", "a@b.test")
    assert (found.standing, found.standing_at) == (Standing.DELIVERED, AT)


@pytest.mark.parametrize(
    ("type_", "field"), [("email.opened", "opened_at"), ("email.clicked", "clicked_at")]
)
def test_open_and_click_prove_acceptance_but_not_its_time(type_: str, field: str) -> None:
    found = report(type_)

    assert getattr(found, field) == AT
    assert (found.standing, found.standing_at) == (Standing.ACCEPTED, None)


@pytest.mark.parametrize(
    ("bounce", "suppression"),
    [
        ({"type": "Permanent", "subType": "General"}, SuppressionReason.HARD_BOUNCE),
        ({"type": "Transient", "subType": "MailboxFull"}, None),
        ({"type": "Undetermined"}, None),
        ({"type": ["Permanent"]}, None),
        ({}, None),
        (None, None),
        ("Permanent", None),
    ],
)
def test_only_a_permanent_bounce_suppresses(
    bounce: Any, suppression: SuppressionReason | None
) -> None:
    assert report("email.bounced", bounce=bounce).suppression is suppression


def test_complaint_suppresses() -> None:
    assert report("email.complained").suppression is SuppressionReason.COMPLAINT


@pytest.mark.parametrize(
    "type_", [one for one in STANDINGS if one not in {"email.complained", "email.bounced"}]
)
def test_nothing_else_suppresses(type_: str) -> None:
    found = report(type_, bounce={"type": "Permanent"})

    assert found.suppression is None


@pytest.mark.parametrize(
    "tags",
    [
        None,
        [],
        {},
        {"mailing": "7"},
        {"message": "9"},
        {"mailing": 7, "message": 9},
        {"mailing": "7", "message": "-9"},
        {"mailing": "7", "message": "9.0"},
        {"mailing": "7", "message": ""},
        {"mailing": "7", "message": "٩"},
        {"mailing": "7", "message": str(2**63)},
        {"mailing": "7", "message": "9" * 400},
        {"mailing": "7", "message": "9\u0000"},
    ],
)
def test_tags_that_are_not_ours_match_nothing(tags: Any) -> None:
    assert read(event("email.sent", {"email_id": "e-1", "tags": tags})) is None


@pytest.mark.parametrize("email_id", [None, 7, "x" * 65, "a\u0000b", {"id": 1}])
def test_provider_id_that_cannot_be_one_is_left_out(email_id: Any) -> None:
    assert report("email.sent", email_id=email_id).provider_id == ""


@given(type_=st.sampled_from(sorted(STANDINGS)), data=json_values)
def test_any_data_is_read_or_matches_nothing(type_: str, data: Any) -> None:
    try:
        waiting = event(type_, data)
    except orjson.JSONEncodeError:
        return
    assert read(waiting) is None


@given(
    type_=st.sampled_from(sorted(STANDINGS)),
    data=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("email_id", "to", "bounce"), json_values)
    ),
)
def test_any_particulars_of_our_mails_are_read(type_: str, data: dict[str, Any]) -> None:
    try:
        found = report(type_, **data)
    except orjson.JSONEncodeError:
        return
    assert found.standing is STANDINGS[type_]


@pytest.mark.parametrize("type_", ["contact.created", "domain.updated", "email.received", "x"])
def test_other_events_say_nothing_about_our_mails(type_: str) -> None:
    assert not concerns_mail(type_)
