"""Accounts (teams): their keys, and all that is counted and kept per account."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from apps.sandbox.choices import SettingError
from apps.sandbox.resend.contacts import Contacts
from apps.sandbox.resend.domains import Domains
from apps.sandbox.resend.errors import (
    invalid_api_key,
    missing_api_key,
    suspended_api_key,
)
from apps.sandbox.resend.idempotency import IdempotencyKeys
from apps.sandbox.resend.imports import Imports
from apps.sandbox.resend.mailbox import Mailbox
from apps.sandbox.resend.quotas import Quotas
from apps.sandbox.resend.segments import Segments
from apps.sandbox.resend.settings import PER_ACCOUNT, Settings, parse
from apps.sandbox.resend.topics import Topics
from apps.sandbox.windows import (
    LIFTED_LIMIT,
    Admission,
    FixedWindow,
    PeakCounter,
    SlidingWindow,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Access(StrEnum):
    """What a key may do."""

    FULL = "full_access"
    SENDING = "sending_access"
    SUSPENDED = "suspended"


def check_override(name: str, value: object) -> None:
    """Raise a SettingError where an account cannot have its own `value` of this setting."""
    if name not in PER_ACCOUNT:
        raise SettingError(
            f"{name}: no setting that can differ by account; these can: {', '.join(PER_ACCOUNT)}"
        )
    parse(name, value)


@dataclass(slots=True)
class Account:
    """All keys of an account share everything in here."""

    name: str
    settings: Settings
    overrides: dict[str, object] = field(default_factory=dict)
    """Settings this account has its own values of."""
    initial_overrides: dict[str, object] = field(default_factory=dict)
    domains: Domains = field(default_factory=Domains)
    contacts: Contacts = field(default_factory=Contacts)
    segments: Segments = field(default_factory=Segments)
    topics: Topics = field(default_factory=Topics)
    imports: Imports = field(default_factory=Imports)
    mailbox: Mailbox = field(default_factory=Mailbox)
    quotas: Quotas = field(default_factory=Quotas)
    idempotency: IdempotencyKeys = field(default_factory=IdempotencyKeys)
    peak: PeakCounter = field(default_factory=PeakCounter)
    window: Window = field(default_factory=SlidingWindow)

    def configure(self, shared: Settings) -> None:
        """Take over changed settings, shared by all accounts but for the overrides of this one."""
        before = self.settings.rate_window
        self.settings = shared.changed(self.overrides)
        if self.settings.rate_window != before:
            self.window = _window(self.settings)

    def admit(self, now: float) -> Admission:
        """Count a request at `now`, in monotonic seconds, against the rate limit."""
        self.peak.record(now)
        if self.settings.rate_limit == 0:
            return Admission(
                allowed=True, limit=LIFTED_LIMIT, remaining=LIFTED_LIMIT, reset_seconds=1
            )
        return self.window.admit(now, limit=self.settings.rate_limit)

    def reset(self) -> None:
        """Forget all that was sent and counted; domains, segments, topics and settings stay."""
        self.mailbox.clear()
        self.contacts = Contacts()
        self.imports = Imports()
        self.idempotency.clear()
        self.quotas = Quotas()
        self.peak = PeakCounter()
        self.window = _window(self.settings)


def _window(settings: Settings) -> Window:
    return FixedWindow() if settings.rate_window == "fixed" else SlidingWindow()


@dataclass(frozen=True, slots=True)
class Key:
    account: Account
    access: Access


class Accounts:
    """The accounts by name, and their keys."""

    def __init__(self, settings: Settings, keys: Iterable[tuple[str, str, Access]]) -> None:
        """`keys` holds (account, key, access); an account exists when a key names it."""
        self._by_name: dict[str, Account] = {}
        self._keys: dict[str, Key] = {}
        for name, key, access in keys:
            account = self._by_name.setdefault(name, Account(name, settings))
            self._keys[key] = Key(account, access)
        for account in self:
            account.window = _window(settings)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Account:
        if name not in self._by_name:
            raise SettingError(f"{name}: no such account; there are {', '.join(self._by_name)}")
        return self._by_name[name]

    def authenticate(self, authorization: str | None) -> Key:
        """The key in an Authorization header.

        Raises:
            ApiError: 401 without a bearer key, 403 with an unknown or suspended one.
        """
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise missing_api_key()
        if (key := self._keys.get(given.strip())) is None:
            raise invalid_api_key()
        if key.access is Access.SUSPENDED:
            raise suspended_api_key()
        return key
