"""Start, watch and steer the stand-in for Resend: for tests, benchmarks and the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.sandbox.standin import SandboxError, StandIn, log_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from apps.sandbox.faults import FaultKind

__all__ = [
    "AcceptedMessage",
    "ContactCall",
    "LoggedRequest",
    "ResendSandbox",
    "SandboxError",
    "SandboxStats",
    "WebhookStats",
]


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message the provider has accepted: one line of its log."""

    t: float
    """Unix seconds."""
    account: str
    id: str
    index: int | None
    """Its place in the batch; None for a single mail."""
    to: tuple[str, ...]
    """Bare addresses."""
    sender: str
    subject: str
    tags: dict[str, str]
    key: str | None
    """The Idempotency-Key it was sent under."""
    sha256: str
    """Of html followed by text, in UTF-8; hex."""
    list_unsubscribe: str | None


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request to the API: one line of its log."""

    t: float
    """Arrival in Unix seconds."""
    method: str
    path: str
    status: int | None
    """None where a fault left it without one."""
    error: str | None
    fault: str | None
    messages: int
    """How many messages the body held; 0 where it was not read."""
    accepted: int
    """How many of them were accepted by this very request."""
    replayed: bool
    """Answered from what is remembered under its key."""
    account: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class ContactCall:
    """One call about a contact: one line of their log, written when the answer left."""

    t: float
    """Arrival in Unix seconds."""
    ended: float
    account: str
    operation: str
    """create, get, update, delete, list, add, remove, set, topics, list_topics or import."""
    asked: str
    """What the path named: an id or an address."""
    contact: str | None
    email: str | None
    segment: str | None
    status: int | None
    """None where a fault left it without one."""
    error: str | None
    fault: str | None
    segments: list[str] | None
    """Of the contact, afterwards; so are topics and unsubscribed."""
    topics: dict[str, str] | None
    unsubscribed: bool | None


@dataclass(frozen=True, slots=True)
class WebhookStats:
    delivered: int
    failed: int
    given_up: int
    dropped: int
    pending: int


@dataclass(frozen=True, slots=True)
class SandboxStats:
    """What the stand-in has counted since its start or its last reset."""

    requests: dict[str, int]
    """By status, or by the name of the fault that left them without one."""
    sends: int
    """Sends that passed the rate limit; what a fault script counts."""
    accepted: int
    """Messages."""
    replayed: int
    refused_429: dict[str, int]
    """By error name."""
    faults: dict[str, int]
    contact_faults: dict[str, int]
    max_requests_per_second: int
    """Most requests of one account in any second, (t - 1, t], refused ones included."""
    max_requests_per_second_by_account: dict[str, int]
    webhooks: WebhookStats
    cpu_seconds: float
    """User and system time of the process since it started."""
    uptime_seconds: float


class ResendSandbox(StandIn):
    """A stand-in for the Resend API in a process of its own, on a free loopback port.

    It ends with `stop()`, at the end of a `with` block, and also when this process dies.
    """

    provider = "resend"

    def __init__(
        self,
        directory: Path,
        *,
        accounts: Mapping[str, str | Sequence[str]],
        domains: Sequence[str] = (),
        port: int = 0,
        **settings: object,
    ) -> None:
        """Describe a stand-in; `start()` or `with` starts it.

        Args:
            directory: where its logs go; existing logs are continued.
            accounts: API keys by account name; `key:sending_access` restricts a key.
            domains: verified sending domains, `[account=]name[:status]`.
            port: 0 picks a free one.
            settings: any setting of `apps.sandbox.resend.settings.Settings`.
        """
        super().__init__(directory, port=port, settings=settings)
        self.contacts_log = directory / "contacts.jsonl"
        self._accounts = accounts
        self._domains = domains

    def own_options(self) -> list[str]:
        options = []
        for name, keys in self._accounts.items():
            for key in [keys] if isinstance(keys, str) else keys:
                options += ["--account", f"{name}:{key}"]
        for domain in self._domains:
            options += ["--domain", domain]
        return options

    def accepted(self) -> Iterator[AcceptedMessage]:
        """The accepted messages so far, in order, read from the log."""
        for line in log_lines(self.accepted_log):
            line["sender"] = line.pop("from")
            line["to"] = tuple(line["to"])
            yield AcceptedMessage(**line)

    def requests(self) -> Iterator[LoggedRequest]:
        """The requests to the API so far, by arrival, read from the log."""
        for line in log_lines(self.requests_log):
            yield LoggedRequest(**line)

    def contact_calls(self) -> list[ContactCall]:
        """The calls about contacts so far, by arrival, read from the log."""
        calls = [ContactCall(**line) for line in log_lines(self.contacts_log)]
        return sorted(calls, key=lambda call: call.t)

    def next_contact_fault(
        self, kind: FaultKind | str, *, count: int = 1, seconds: float | None = None
    ) -> None:
        """Let the next `count` calls about contacts fail like this."""
        body = {"kind": str(kind), "count": count, "seconds": seconds}
        self._control("POST", "next-contact-fault", body)

    def stats(self) -> SandboxStats:
        document = self._control("GET", "stats")
        document["webhooks"] = WebhookStats(**document["webhooks"])
        return SandboxStats(**document)

    def configure(self, **changes: object) -> dict[str, Any]:
        """Change settings from now on; returns all of them.

        Also takes `domains={name: status}` and `accounts={name: {setting: value}}`.

        Raises:
            SandboxError: a name is unknown or a value does not fit.
        """
        return super().configure(**changes)
