"""`manage.py unknown`: what the person on call types."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from apps.mail.models import Batch, BatchAttempt, Message
from tests.integration.mail.events.test_applying import fresh, settled

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def unknown(*arguments: object) -> str:
    out = StringIO()
    call_command("unknown", *(str(one) for one in arguments), stdout=out)
    return out.getvalue()


def in_doubt(house: House, number: int = 2) -> list[Message]:
    return settled(house, number, state=Message.State.UNKNOWN, reason="key_expired")


def test_list_shows_batches_with_mails_in_doubt(house: House) -> None:
    in_doubt(house)

    shown = unknown("list")

    assert "November" in shown
    assert "Batches with mails in doubt: 1." in shown


def test_list_is_empty_where_nothing_is_in_doubt(house: House) -> None:
    settled(house)

    assert "in doubt: 0." in unknown("list")


def test_show_names_the_mails(house: House) -> None:
    first, _ = in_doubt(house)

    shown = unknown("show", Batch.objects.get().pk)

    assert str(first.pk) in shown
    assert first.address in shown
    assert f"in doubt in batch {Batch.objects.get().pk}: 2." in shown


def test_resolve_says_what_it_did(house: House) -> None:
    first, second = in_doubt(house)
    batch = Batch.objects.get().pk

    said = unknown("resolve", batch, "--as", "sent", "--note", "dashboard", "--message", first.pk)

    assert "Settled as sent: 1." in said
    assert (fresh(first).state, fresh(second).state) == ("sent", "unknown")
    assert BatchAttempt.objects.latest("pk").error.endswith(": dashboard")


def test_resolve_can_send_what_was_not_sent_at_once(house: House) -> None:
    in_doubt(house)

    said = unknown("resolve", Batch.objects.get().pk, "--as", "not_sent", "--note", "x", "--retry")

    assert "On their way again: 2." in said
    assert Batch.objects.get(state="planned").size == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("resolve", 1, "--as", "sent", "--note", "x"),
        ("resolve", 1, "--as", "maybe", "--note", "x"),
        ("resolve", 1, "--as", "sent"),
        ("resolve", 1, "--as", "sent", "--note", "x", "--retry"),
        ("show", 1),
    ],
)
def test_what_cannot_be_done_is_refused(db: None, arguments: tuple[object, ...]) -> None:
    with pytest.raises(CommandError):
        unknown(*arguments)


def test_retry_of_a_cancelled_mailing_changes_nothing(house: House) -> None:
    first, _ = in_doubt(house)
    type(first.mailing).objects.update(state="cancelled")

    with pytest.raises(CommandError, match="cancelled"):
        unknown("resolve", Batch.objects.get().pk, "--as", "not_sent", "--note", "x", "--retry")

    assert fresh(first).state == "unknown"
