from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.contacts.eligibility import MailClass
from apps.mail import mailings
from apps.mail.models import Mailing, Message
from apps.station import ledger
from tests.factories.brands import SenderFactory
from tests.factories.campaigns import CampaignFactory

if TYPE_CHECKING:
    from pathlib import Path

    from apps.campaigns.models import Campaign

Line = dict[str, Any]

_SENT = """
INSERT INTO mail_message (month, mailing_id, contact_id, address, state, reason, provider_id,
                          settled_at)
SELECT %(month)s, %(mailing)s, n, 'p' || n || '@people.example', %(state)s, %(reason)s,
       CASE WHEN %(state)s = 'sent' THEN 'id-' || n ELSE '' END, now()
  FROM generate_series(%(first)s, %(last)s) n
"""


@pytest.fixture
def mailing(db: None) -> Mailing:
    return mailings.create_bulk_mailing(
        name="News",
        sender=SenderFactory.create(),
        mail_class=MailClass.COMMERCIAL,
        subject="Hello",
        html="<p>Hello</p>",
        text="",
    )


def add_messages(
    mailing: Mailing, first: int, last: int, *, state: str = "sent", reason: str = ""
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _SENT,
            {
                "month": mailing.month,
                "mailing": mailing.pk,
                "state": state,
                "reason": reason,
                "first": first,
                "last": last,
            },
        )


def log_of(mailing: Mailing) -> list[Line]:
    """What the provider's log looks like when all went well."""
    return [
        {
            "id": f"id-{message.contact_id}",
            "to": [message.address],
            "tags": {"mailing": str(mailing.pk), "message": str(message.pk)},
        }
        for message in Message.objects.of(mailing).filter(state="sent").order_by("pk")
    ]


def test_ledger_that_equals_the_log_agrees(mailing: Mailing) -> None:
    add_messages(mailing, 1, 30)
    add_messages(mailing, 31, 40, state="skipped", reason="unsubscribed")
    log = log_of(mailing)

    comparison = ledger.compare(mailing.pk, reversed(log))

    assert comparison.agrees
    assert (comparison.sent, comparison.accepted, comparison.matching) == (30, 30, 30)


def test_sent_message_that_is_not_in_the_log_is_missing(mailing: Mailing) -> None:
    add_messages(mailing, 1, 3)
    log = log_of(mailing)

    comparison = ledger.compare(mailing.pk, log[:-1])

    lost = log[-1]["tags"]["message"]
    assert not comparison.agrees
    assert comparison.missing == ledger.Finding(1, (f"message {lost}: sent, but not in the log",))


def test_message_in_the_log_twice_is_doubled(mailing: Mailing) -> None:
    add_messages(mailing, 1, 3)
    log = log_of(mailing)
    again = {**log[0], "id": "id-other"}

    comparison = ledger.compare(mailing.pk, [*log, again])

    assert not comparison.agrees
    assert comparison.doubled.count == 1
    assert comparison.matching == 2


@pytest.mark.parametrize(("state", "reason"), [("failed", "refused"), ("skipped", "unsubscribed")])
def test_accepted_message_that_is_not_called_sent_is_foreign(
    mailing: Mailing, state: str, reason: str
) -> None:
    add_messages(mailing, 1, 2)
    log = log_of(mailing)
    Message.objects.of(mailing).filter(contact_id=1).update(state=state, reason=reason)

    comparison = ledger.compare(mailing.pk, log)

    assert not comparison.agrees
    assert comparison.foreign.count == 1
    assert f"accepted as id-1, but {state}" in comparison.foreign.examples[0]


def test_line_for_a_message_that_was_never_ours_is_foreign(mailing: Mailing) -> None:
    add_messages(mailing, 1, 2)
    tags = {"mailing": str(mailing.pk), "message": "999999"}
    stranger = {"id": "id-9", "to": ["x@people.example"], "tags": tags}

    comparison = ledger.compare(mailing.pk, [*log_of(mailing), stranger])

    assert not comparison.agrees
    assert comparison.foreign.examples == (
        "message 999999: accepted as id-9, but not in the ledger",
    )


@pytest.mark.parametrize(
    "tags",
    [{}, {"mailing": "none"}, {"mailing": "MAILING"}, {"mailing": "MAILING", "message": "x"}],
)
def test_line_without_readable_tags_is_foreign(mailing: Mailing, tags: dict[str, str]) -> None:
    add_messages(mailing, 1, 1)
    ours = {name: value.replace("MAILING", str(mailing.pk)) for name, value in tags.items()}

    comparison = ledger.compare(
        mailing.pk, [*log_of(mailing), {"id": "a", "to": ["b@c.example"], "tags": ours}]
    )

    assert not comparison.agrees
    assert comparison.foreign == ledger.Finding(
        1, ("no message tag: accepted as a, but not in the ledger",)
    )


@pytest.mark.parametrize("change", [{"id": "id-other"}, {"to": ["else@people.example"]}])
def test_other_id_or_address_is_a_mismatch(mailing: Mailing, change: Line) -> None:
    add_messages(mailing, 1, 2)
    log = log_of(mailing)

    comparison = ledger.compare(mailing.pk, [log[0], {**log[1], **change}])

    assert not comparison.agrees
    assert comparison.mismatched.count == 1


def test_unknown_messages_are_counted_apart(mailing: Mailing) -> None:
    add_messages(mailing, 1, 4)
    log = log_of(mailing)
    Message.objects.of(mailing).filter(contact_id__lte=2).update(
        state="unknown", reason="key_expired", provider_id=""
    )

    comparison = ledger.compare(mailing.pk, log[1:])

    assert comparison.agrees
    assert (comparison.sent, comparison.unknown, comparison.unknown_accepted) == (2, 2, 1)


def test_lines_of_other_mailings_are_left_out(mailing: Mailing) -> None:
    add_messages(mailing, 1, 2)
    tags = {"mailing": str(mailing.pk + 1), "message": "1"}

    comparison = ledger.compare(
        mailing.pk, [*log_of(mailing), {"id": "z", "to": ["z@z.example"], "tags": tags}]
    )

    assert comparison.agrees
    assert comparison.elsewhere == 1


def test_only_the_first_ten_of_a_kind_are_listed(mailing: Mailing) -> None:
    add_messages(mailing, 1, 25)

    comparison = ledger.compare(mailing.pk, [])

    assert comparison.missing.count == 25
    assert len(comparison.missing.examples) == 10


def test_findings_hold_no_addresses(mailing: Mailing) -> None:
    add_messages(mailing, 1, 3)
    log = log_of(mailing)
    spoilt = [{**log[0], "to": ["other@people.example"]}, log[1], log[1]]

    comparison = ledger.compare(mailing.pk, spoilt)

    assert "@" not in repr(comparison)


def test_unknown_mailing_is_refused(db: None) -> None:
    with pytest.raises(ledger.UnknownMailingError):
        ledger.compare(4711, [])


def test_comparing_twice_in_one_session_works(mailing: Mailing) -> None:
    add_messages(mailing, 1, 2)

    first = ledger.compare(mailing.pk, log_of(mailing))

    assert ledger.compare(mailing.pk, log_of(mailing)) == first


def test_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "accepted.jsonl"
    path.write_bytes(b'{"id":"a","to":["b@c.example"],"tags":{}}\n{"id":"a","to')

    assert [line["id"] for line in ledger.read_log(path)] == ["a"]


def test_line_that_is_no_message_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "accepted.jsonl"
    path.write_bytes(b'{"id":"a","to":[],"tags":{}}\n[1]\n')

    with pytest.raises(ledger.UnreadableLogError, match="line 2"):
        list(ledger.read_log(path))


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def campaign(mailing: Mailing) -> Campaign:
    return CampaignFactory.create(
        brand=mailing.brand,
        sender=mailing.sender,
        mailing=mailing,
        launched_at=mailing.created_at,
        launched_by="somebody",
        frozen_references={},
    )


def write_log(path: Path, lines: list[Line]) -> Path:
    path.write_bytes(
        b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    )
    return path


def test_command_prints_the_comparison(
    campaign: Campaign, mailing: Mailing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_messages(mailing, 1, 12)
    log = write_log(tmp_path / "log", log_of(mailing))

    call_command("compare_ledger", campaign=campaign.pk, log=log)

    assert "agree, row by row: 12 of 12" in capsys.readouterr().out


def test_command_fails_where_they_differ(
    campaign: Campaign, mailing: Mailing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_messages(mailing, 1, 12)
    log = write_log(tmp_path / "log", log_of(mailing)[1:])

    with pytest.raises(CommandError, match="do NOT agree: 1 difference") as raised:
        call_command("compare_ledger", campaign=campaign.pk, log=log)

    assert raised.value.returncode == 1
    assert "sent, but not in the log" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["no campaign 4711", "cannot be read"])
def test_command_names_what_is_wrong(campaign: Campaign, tmp_path: Path, wrong: str) -> None:
    number = 4711 if "campaign" in wrong else campaign.pk

    with pytest.raises(CommandError, match=wrong):
        call_command("compare_ledger", campaign=number, log=tmp_path / "missing")


def test_draft_cannot_be_compared(db: None, tmp_path: Path) -> None:
    draft = CampaignFactory.create()

    with pytest.raises(CommandError, match="not launched yet"):
        call_command("compare_ledger", campaign=draft.pk, log=tmp_path / "missing")
