from __future__ import annotations

import inspect

import pytest

from apps.brands.models import ProviderAccount
from apps.campaigns import domains
from apps.campaigns.checking import DomainsUnknownError
from apps.campaigns.domains import PacedDomains
from apps.mail.resend import ResendClient
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


def paced(
    monkeypatch: pytest.MonkeyPatch, limiter: FakeLimiter, client: FakeDomains
) -> PacedDomains:
    monkeypatch.setattr(domains, "limiter_for", lambda _: limiter)
    monkeypatch.setattr(domains, "client_for", lambda _: client)
    return PacedDomains(ProviderAccount(name="main"))


def test_provider_is_asked_once_a_slot_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeDomains({"a.example": "verified"})
    held = Held(retry_in_s=0.0, reason=HeldReason.PACED)
    limiter = FakeLimiter(held, FakeSlot(kept=False), FakeSlot(kept=True))

    found = paced(monkeypatch, limiter, client).verified_domains()

    assert found == {"a.example": "verified"}
    assert (client.calls, limiter.answers) == (1, [])


def test_frozen_account_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeDomains()
    limiter = FakeLimiter(Held(retry_in_s=60.0, reason=HeldReason.FROZEN))

    with pytest.raises(DomainsUnknownError, match="frozen"):
        paced(monkeypatch, limiter, client).verified_domains()

    assert client.calls == 0
