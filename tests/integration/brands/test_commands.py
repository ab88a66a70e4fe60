from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.brands.models import Brand, ProviderAccount, Sender
from tests.factories.brands import BrandFactory, ProviderAccountFactory, SenderFactory

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

KEY = "re_very_secret_key"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def refused(*words: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert caught.value.returncode == 1
    return str(caught.value)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\nand more\n"))


def test_brand_is_created_listed_and_shown() -> None:
    said = run("brand", "create", "acme", "--name", "Acme", "--postal-address", "1 Main Street")

    assert said == "Brand acme is made.\n"
    assert Brand.objects.get().postal_address == "1 Main Street"
    assert "Acme" in run("brand", "list")
    assert "1 Main Street" in run("brand", "show", "acme")
    assert refused("brand", "create", "acme", "--name", "x").startswith("slug: ")


def test_brand_without_postal_address_is_warned_of() -> None:
    assert "cannot be launched" in run("brand", "create", "acme", "--name", "Acme")
    assert "cannot be launched" in run("brand", "show", "acme")


def test_account_key_comes_from_standard_input(
    piped: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("account", "add", "main")

    account = ProviderAccount.objects.get()
    assert account.api_key == KEY
    assert f"/webhooks/resend/{account.webhook_token}/" in said
    captured = capsys.readouterr()
    assert KEY not in said + captured.out + captured.err


def test_account_key_and_secret_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"  {KEY}\r\n")
    (tmp_path / "secret").write_text("whsec_abc")

    run(
        "account", "add", "main", "--api-key-file", str(tmp_path / "key"),
        "--webhook-secret-file", str(tmp_path / "secret"),
    )  # fmt: skip

    account = ProviderAccount.objects.get()
    assert (account.api_key, account.webhook_secret) == (KEY, "whsec_abc")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The API key is empty: give --api-key-file FILE"),
        (b"\n", "is empty"),
        ("ключ".encode(), "printable ASCII"),
        (b"x" * 2000, "at most 1000"),
        (b"\xff\xfe\x00", "no text file"),
    ],
)
def test_key_that_cannot_be_one_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    assert words in refused("account", "add", "main", "--api-key-file", str(path))
    assert "cannot read" in refused("account", "add", "main", "--api-key-file", "/no/file")
    assert not ProviderAccount.objects.exists()


def test_account_list_shows_state_and_no_secret() -> None:
    ProviderAccountFactory.create(name="main", api_key=KEY, webhook_secret="whsec_abc")

    listed = run("account", "list")

    assert "sends" in listed
    assert KEY not in listed
    assert "whsec_abc" not in listed


def test_account_is_stopped_and_started() -> None:
    ProviderAccountFactory.create(name="main")

    assert "is stopped" in run("account", "stop", "main", "--reason", "invoice open")
    assert "invoice open" in run("account", "list")
    assert refused("account", "stop", "main", "--reason", "x") == "The account is stopped already."
    assert run("account", "start", "main") == "Account main sends again.\n"
    assert "there are: main" in refused("account", "start", "other")


def test_webhook_secret_is_rotated(piped: None) -> None:
    account = ProviderAccountFactory.create(name="main", webhook_secret="whsec_old")

    said = run("account", "rotate-webhook-secret", "main")
    account.refresh_from_db()
    assert (account.webhook_secret, account.previous_webhook_secret) == (KEY, "whsec_old")
    assert KEY not in said
    assert "two, while it is being changed" in run("account", "list")

    run("account", "rotate-webhook-secret", "main", "--forget-previous")
    account.refresh_from_db()
    assert account.previous_webhook_secret == ""


def test_sender_is_added_and_listed() -> None:
    BrandFactory.create(slug="acme")
    ProviderAccountFactory.create(name="main")
    SenderFactory.create(email="stranger@other.example")

    said = run(
        "sender", "add", "news@acme.example", "--brand", "acme", "--account", "main",
        "--name", "Acme News", "--reply-to", "hello@acme.example",
    )  # fmt: skip

    sender = Sender.objects.get(brand__slug="acme")
    assert said == "Acme News <news@acme.example> sends for acme and is its default sender.\n"
    assert (sender.reply_to, sender.is_default) == ("hello@acme.example", True)
    assert "not yet" in run("sender", "list", "--brand", "acme")
    assert "stranger" not in run("sender", "list", "--brand", "acme")
    words = ("--brand", "acme", "--account", "main", "--name", "x")
    assert refused("sender", "add", "nonsense", *words).startswith("email: ")
