from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection

from apps.brands import accounts, registering
from apps.brands.errors import (
    AccountStateError,
    InvalidBrandError,
    UnknownAccountError,
    UnknownBrandError,
)
from apps.brands.models import ProviderAccount, Sender
from apps.campaigns import controlling, launching
from apps.mail import mailings
from apps.mail.models import Mailing
from tests.factories.brands import BrandFactory, ProviderAccountFactory, SenderFactory
from tests.factories.campaigns import CampaignFactory
from tests.factories.mail import MailingFactory

pytestmark = pytest.mark.django_db


def stored(column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM brands_provideraccount")
        return str(cursor.fetchone()[0])


def test_keys_are_encrypted_at_rest() -> None:
    account = accounts.add_account(
        name="main", api_key="re_secret_key", webhook_secret="whsec_secret"
    )

    account.refresh_from_db()
    assert (account.api_key, account.webhook_secret) == ("re_secret_key", "whsec_secret")
    assert "re_secret_key" not in stored("api_key")
    assert "whsec_secret" not in stored("webhook_secret")


def test_faults_name_the_field_and_never_the_value() -> None:
    accounts.add_account(name="main", api_key="re_1234")

    with pytest.raises(InvalidBrandError, match="name: ") as same_name:
        accounts.add_account(name="main", api_key="re_secret_key")
    with pytest.raises(InvalidBrandError, match="api_key: ") as too_short:
        accounts.add_account(name="other", api_key="zz")

    assert "re_secret_key" not in str(same_name.value)
    assert "zz" not in str(too_short.value)


def test_stopped_once_started_once() -> None:
    account = ProviderAccountFactory.create()

    accounts.stop(account_id=account.pk, reason="invoice open")
    with pytest.raises(AccountStateError, match="stopped already"):
        accounts.stop(account_id=account.pk, reason="again")
    account.refresh_from_db()
    assert account.stopped_reason == "invoice open"

    accounts.start(account_id=account.pk)
    with pytest.raises(AccountStateError, match="not stopped"):
        accounts.start(account_id=account.pk)
    account.refresh_from_db()
    assert (account.stopped_at, account.stopped_reason) == (None, "")


def test_stop_needs_a_reason() -> None:
    account = ProviderAccountFactory.create()

    with pytest.raises(InvalidBrandError, match="say why"):
        accounts.stop(account_id=account.pk, reason=" ")

    assert ProviderAccount.objects.active().exists()


def test_start_tells_what_was_paused_because_of_the_account() -> None:
    sender = SenderFactory.create()
    contact_of(sender)
    campaigns = [CampaignFactory.create(sender=sender, name=f"Sale {n}") for n in (1, 2)]
    for campaign in campaigns:
        launching.launch(campaign_id=campaign.pk, by="anna")
    controlling.pause(campaign_id=campaigns[0].pk, by="anna", reason="lunch")
    reason = "403 suspended_api_key"
    accounts.stop(account_id=sender.account_id, reason=reason)
    stream = MailingFactory.create(sender=sender, name="welcome", kind="stream")
    running = Mailing.objects.running().values_list("pk", flat=True)
    mailings.pause_for_provider(mailing_ids=list(running), reason=reason)

    waiting = accounts.start(account_id=sender.account_id)

    assert waiting == [
        f"campaign {campaigns[1].pk} (Sale 2)",
        f"mailing {stream.pk} (welcome)",
    ]


def contact_of(sender: Sender) -> None:
    sender.brand.contacts.create(
        email="a@people.example", address="a@people.example", status="subscribed"
    )


def test_rotated_secret_is_valid_beside_the_one_before() -> None:
    account = ProviderAccountFactory.create(webhook_secret="whsec_old")

    accounts.rotate_webhook_secret(account_id=account.pk, secret="whsec_new")
    account.refresh_from_db()
    assert (account.webhook_secret, account.previous_webhook_secret) == ("whsec_new", "whsec_old")

    accounts.forget_previous_webhook_secret(account_id=account.pk)
    account.refresh_from_db()
    assert (account.webhook_secret, account.previous_webhook_secret) == ("whsec_new", "")


def test_providers_word_counts_for_all_senders_of_the_domain_and_account() -> None:
    account = ProviderAccountFactory.create()
    first, second, subdomain, elsewhere = (
        SenderFactory.create(email=email, account=owner, verified_at=None)
        for email, owner in (
            ("a@mail.example", account),
            ("b@Mail.Example", account),
            ("c@sub.mail.example", account),
            ("d@mail.example", ProviderAccountFactory.create()),
        )
    )

    accounts.remember_verification(sender_id=first.pk, verified=True)

    known = Sender.objects.filter(verified_at__isnull=False)
    assert set(known) == {first, second}
    assert subdomain not in known
    assert elsewhere not in known
    accounts.remember_verification(sender_id=second.pk, verified=False)
    assert not Sender.objects.filter(verified_at__isnull=False).exists()


def test_first_sender_is_the_default_until_another_is_named() -> None:
    brand, account = BrandFactory.create(), ProviderAccountFactory.create()

    def add(email: str, *, is_default: bool = False) -> Sender:
        return registering.add_sender(
            brand=brand, account=account, name="News", email=email, is_default=is_default
        )

    first, second = add("a@x.example"), add("b@x.example")
    assert (first.is_default, second.is_default) == (True, False)
    third = add("c@x.example", is_default=True)
    assert list(Sender.objects.filter(is_default=True)) == [third]


def test_failed_new_default_leaves_the_old_one() -> None:
    sender = SenderFactory.create(is_default=True)

    with pytest.raises(InvalidBrandError, match="email: "):
        registering.add_sender(
            brand=sender.brand, account=sender.account, name="x", email="bad", is_default=True
        )

    sender.refresh_from_db()
    assert sender.is_default


def test_brand_faults_are_told_by_field() -> None:
    with pytest.raises(InvalidBrandError) as caught:
        registering.add_brand(slug="a b", name="", timezone="Mars/Base", website="nowhere")

    for field in ("slug: ", "name: ", "timezone: ", "website: "):
        assert field in str(caught.value)


def test_unknown_names_come_with_those_there_are() -> None:
    BrandFactory.create(slug="acme")
    ProviderAccountFactory.create(name="main")

    with pytest.raises(UnknownBrandError, match="'none'; there are: acme"):
        registering.find_brand("none")
    with pytest.raises(UnknownAccountError, match="'none'; there are: main"):
        accounts.find_account("none")


def test_last_word_on_verification_is_a_time() -> None:
    sender = SenderFactory.create(verified_at=None)
    before = datetime.now(tz=UTC)

    accounts.remember_verification(sender_id=sender.pk, verified=True)

    sender.refresh_from_db()
    assert sender.verified_at is not None
    assert abs((sender.verified_at - before).total_seconds()) < 60
