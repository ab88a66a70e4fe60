"""What became of a call to Resend, and what the caller does about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.mail.errors import MailError
from apps.mail.resend.answers import LONGEST_WAIT_S, SHORTEST_WAIT_S, RateLimit

_DEFAULT_WAIT_S = 1.0
MISSED_SLOT = "late"
"""The name of a `SurelyNotSent` whose request could not leave at its slot's instant."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call that failed. Holds no address, key or body."""

    name: str
    """The provider's name of the error, or the transport's reason: a short token."""
    status: int | None = None
    """The answer's; None where there was none."""
    message: str = ""
    rate: RateLimit = field(default_factory=RateLimit)
    latency_ms: float = 0.0


class ResendFailure(MailError):  # noqa: N818 - the classes here are verdicts, read where caught
    """A call did not end well. Never raised itself; its subclasses say what to do."""

    def __init__(self, facts: CallFacts) -> None:
        super().__init__(facts)
        self.facts = facts

    def __str__(self) -> str:
        """Status, name and message; fit for logs and ledgers."""
        head = " ".join(str(part) for part in (self.facts.status, self.facts.name) if part)
        return f"{head}: {self.facts.message}" if self.facts.message else head

    @property
    def status(self) -> int | None:
        return self.facts.status

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def message(self) -> str:
        return self.facts.message

    @property
    def rate(self) -> RateLimit:
        return self.facts.rate

    @property
    def latency_ms(self) -> float:
        return self.facts.latency_ms


class SurelyNotSent(ResendFailure):
    """Nothing left this host. Try again; it does no harm, under whatever key.

    With the name `late` the slot was missed: reserve anew at once.
    """


class Throttled(ResendFailure):
    """Too many requests (429); nothing was accepted.

    Freeze the account's limiter for `retry_after_s` and try again; it counts against a budget of
    its own.
    """

    @property
    def retry_after_s(self) -> float:
        """Between 0.1 and 300; a second where the provider did not say."""
        wait = self.rate.retry_after_s or self.rate.reset_s or _DEFAULT_WAIT_S
        return min(max(SHORTEST_WAIT_S, wait), LONGEST_WAIT_S)


class QuotaExceeded(ResendFailure):
    """The quota is spent; nothing was accepted. Pause the mailing and say so.

    `name` is daily_quota_exceeded or monthly_quota_exceeded.
    """


class KeyInFlight(ResendFailure):
    """A call with the same key is still being worked on.

    Wait, then the same bytes under the same key.
    """


class KeyMismatch(ResendFailure):
    """The key was used with other bytes, or is no valid key: our bug.

    Never send under a new key, as the first call may have been accepted; dead letter and alarm.
    """


class AccountRefused(ResendFailure):
    """The API key is missing, wrong, restricted or suspended, or the base URL leads elsewhere.

    Nothing was accepted: stop the account and alert.
    """


class SenderRefused(ResendFailure):
    """The sending domain is not verified. Nothing was accepted: pause the mailing and say so."""


class BatchRefused(ResendFailure):
    """The provider will not take these bytes (400, 413, 422); nothing was accepted.

    Split the batch; a single message fails with this reason.
    """


class ContactUnknown(ResendFailure):
    """There is no such contact, or not in this segment (404). Ask anew what there is."""


class ContactExists(ResendFailure):
    """A contact with this address is there already (409). Ask what there is instead."""


class ContactRefused(ResendFailure):
    """The provider will not do this for the contact (400, 422); nothing was changed."""


class CallNotOffered(ResendFailure):
    """The provider does not have this call (yet); nothing was changed. Do without it."""


class Ambiguous(ResendFailure):
    """The provider may have accepted.

    While the key is young: the same bytes under the same key; later: unknown, never blind.

    `name` is the transport's reason (timeout, deadline, reset, disconnected, truncated ...), the
    provider's name of a server error, not_json for an answer of somebody in between, unreadable,
    or wrong_count where the ids do not fit the batch.
    """
