from __future__ import annotations

import inspect
from dataclasses import dataclass, field

import pytest

from apps.brands.models import ProviderAccount
from apps.campaigns.checking import DomainsUnknownError
from apps.campaigns.domains import PacedDomains
from apps.mail.resend import ResendClient
from apps.mail.resend.errors import Ambiguous, CallFacts, Throttled
from apps.mail.sending import Door
from apps.queues.breaking import Permit
from apps.queues.limiting import Held
from apps.queues.limiting.slots import HeldReason
from tests.unit.campaigns.domains import FakeDomains


@pytest.mark.parametrize("real", [ResendClient, PacedDomains])
def test_fake_is_asked_as_the_real_ones_are(real: type) -> None:
    asked = inspect.signature(real.verified_domains)  # type: ignore[attr-defined]  # both have it

    assert inspect.signature(FakeDomains.verified_domains) == asked


class FakeSlot:
    def __init__(self, *, kept: bool) -> None:
        self.kept = kept

    def wait(self) -> bool:
        return self.kept


class FakeLimiter:
    """Answers in the given order."""

    def __init__(self, *answers: FakeSlot | Held) -> None:
        self.answers = list(answers)

    def reserve(self) -> FakeSlot | Held:
        return self.answers.pop(0)


@dataclass
class FakeDoor:
    """An account's door whose breaker admits, unless it is `held`, and keeps what it is told."""

    limiter: FakeLimiter
    client: FakeDomains
    held: Held | None = None
    told: list[str] = field(default_factory=list)

    def admit(self) -> Permit | Held:
        return self.held or Permit(self, generation=1, token="probe", shared=True)

    def record(self, permit: Permit, *, calls: int = 1, errors: int = 0) -> None:
        self.told.append("failed" if errors else "succeeded")

    def give_back(self, permit: Permit) -> None:
        self.told.append("given back")


def paced(monkeypatch: pytest.MonkeyPatch, door: FakeDoor) -> PacedDomains:
    monkeypatch.setattr(Door, "of", lambda _: door)
    return PacedDomains(ProviderAccount(name="main"))


def test_provider_is_asked_once_a_slot_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeDomains({"a.example": "verified"})
    paced_for_now = Held(retry_in_s=0.0, reason=HeldReason.PACED)
    limiter = FakeLimiter(paced_for_now, FakeSlot(kept=False), FakeSlot(kept=True))
    door = FakeDoor(limiter, client)

    found = paced(monkeypatch, door).verified_domains()

    assert found == {"a.example": "verified"}
    assert (client.calls, limiter.answers, door.told) == (1, [], ["succeeded"])


def test_frozen_account_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeDomains()
    limiter = FakeLimiter(Held(retry_in_s=60.0, reason=HeldReason.FROZEN))
    door = FakeDoor(limiter, client)

    with pytest.raises(DomainsUnknownError, match="told this account to wait"):
        paced(monkeypatch, door).verified_domains()

    assert (client.calls, door.told) == (0, ["given back"])


def test_provider_whose_breaker_is_open_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeDomains()
    limiter = FakeLimiter(FakeSlot(kept=True))
    door = FakeDoor(limiter, client, held=Held(retry_in_s=60.0, reason=HeldReason.BROKEN))

    with pytest.raises(DomainsUnknownError, match="calls are held back"):
        paced(monkeypatch, door).verified_domains()

    assert (client.calls, len(limiter.answers)) == (0, 1)


@pytest.mark.parametrize(
    ("failure", "told"),
    [(Ambiguous(CallFacts(name="x", status=503)), "failed"),
     (Throttled(CallFacts(name="x", status=429)), "given back")],
)  # fmt: skip
def test_breaker_is_told_how_the_question_ended(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    door = FakeDoor(FakeLimiter(FakeSlot(kept=True)), FakeDomains(failure=failure))

    with pytest.raises(type(failure)):
        paced(monkeypatch, door).verified_domains()

    assert door.told == [told]
