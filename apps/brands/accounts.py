"""Provider accounts: added, stopped, started again; their webhook secrets and domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models.functions import Now

from apps.brands.errors import AccountStateError, InvalidBrandError, UnknownAccountError
from apps.brands.models import ProviderAccount, Sender
from apps.brands.saving import save_valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = structlog.get_logger(__name__)

REASON_LIMIT = 200

_waiting: dict[str, Callable[[ProviderAccount], Iterable[str]]] = {}


def register_waiting_source(name: str, source: Callable[[ProviderAccount], Iterable[str]]) -> None:
    """A room above tells what of its own was paused by a stopped account, in a person's words.

    Called from its `AppConfig.ready`; the source gets the account as it was while stopped.
    """
    _waiting[name] = source


def add_account(*, name: str, api_key: str, webhook_secret: str = "") -> ProviderAccount:
    """Keeps the key encrypted. Raises `InvalidBrandError` naming each field that is wrong."""
    account = ProviderAccount(name=name, api_key=api_key, webhook_secret=webhook_secret)
    save_valid(account)
    log.info("account_added", account=account.pk)
    return account


def find_account(name: str) -> ProviderAccount:
    """By its name. Raises `UnknownAccountError`, which lists the names there are."""
    try:
        return ProviderAccount.objects.get(name=name)
    except ProviderAccount.DoesNotExist:
        known = ", ".join(ProviderAccount.objects.order_by("name").values_list("name", flat=True))
        raise UnknownAccountError(
            f"There is no account {name!r}; there are: {known or 'none yet'}."
        ) from None


def stop(*, account_id: int, reason: str) -> None:
    """Nothing new is sent through the account until it is started; calls under way are settled.

    Raises `AccountStateError` where it is stopped already, `InvalidBrandError` without a reason.
    """
    if not reason.strip():
        raise InvalidBrandError("reason: say why the account is stopped.")
    stopped = (
        ProviderAccount.objects.active()
        .filter(pk=account_id)
        .update(stopped_at=Now(), stopped_reason=reason[:REASON_LIMIT])
    )
    if not stopped:
        raise AccountStateError("The account is stopped already.")
    log.warning("account_stopped", account=account_id, reason=reason)


def start(*, account_id: int) -> list[str]:
    """Lets the account send again; returns what was paused because of it and waits for a person.

    Work that was not paused goes on by itself. Raises `AccountStateError` where it is not stopped.
    """
    with transaction.atomic():
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        if account.stopped_at is None:
            raise AccountStateError("The account is not stopped.")
        waiting = [one for source in _waiting.values() for one in source(account)]
        ProviderAccount.objects.filter(pk=account_id).update(stopped_at=None, stopped_reason="")
    log.info("account_started", account=account_id, waiting=len(waiting))
    return waiting


def rotate_webhook_secret(*, account_id: int, secret: str) -> None:
    """Takes `secret` for the account's webhooks; the present one stays valid beside it."""
    with transaction.atomic():
        account = ProviderAccount.objects.select_for_update(no_key=True).get(pk=account_id)
        account.previous_webhook_secret = account.webhook_secret
        account.webhook_secret = secret
        save_valid(account)
    log.info("webhook_secret_rotated", account=account_id)


def forget_previous_webhook_secret(*, account_id: int) -> None:
    """Once the provider signs with the new secret, the old one must not open the door any more."""
    ProviderAccount.objects.filter(pk=account_id).update(previous_webhook_secret="")
    log.info("previous_webhook_secret_forgotten", account=account_id)


def remember_verification(*, sender_id: int, verified: bool) -> None:
    """Keeps what the provider just said of the sender's domain, for all its senders."""
    sender = Sender.objects.get(pk=sender_id)
    Sender.objects.filter(
        account_id=sender.account_id, email__iendswith=f"@{sender.domain}"
    ).update(verified_at=Now() if verified else None)
