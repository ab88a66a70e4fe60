"""What each kind of answer does to a batch, with a provider that says what the test wants."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from django.db import connection

from apps.brands.models import ProviderAccount
from apps.mail import claiming, mailings, sealing, sending
from apps.mail.models import Batch, BatchBody, Mailing, Message
from apps.mail.resend import (
    AccountRefused,
    Ambiguous,
    BatchAccepted,
    BatchRefused,
    KeyInFlight,
    KeyMismatch,
    QuotaExceeded,
    RateLimit,
    ResendClient,
    ResendFailure,
    SenderRefused,
    SurelyNotSent,
    Throttled,
)
from apps.mail.resend.errors import CallFacts
from apps.mail.sending import Door
from apps.queues import dead_letters
from apps.queues.breaking import Breaker, Permit
from apps.queues.limiting import CallClass, Held, HeldReason, Limiter, Slot
from apps.queues.models import DeadLetter

if TYPE_CHECKING:
    from pytest_django import Settings

    from apps.mail.claiming import ClaimedBatch
    from apps.mail.sealing import Sealed
    from tests.integration.mail.conftest import House

Answer = Callable[[list[dict[str, Any]]], BatchAccepted] | ResendFailure


def accept(mails: list[dict[str, Any]], errors: dict[int, str] | None = None) -> BatchAccepted:
    refused = errors or {}
    ids = tuple(
        None if index in refused else f"id-{mail['to'][0]}" for index, mail in enumerate(mails)
    )
    return BatchAccepted(ids=ids, errors=refused, rate=RateLimit(), latency_ms=5.0)


def failure(kind: type[ResendFailure], name: str = "some_error", **facts: Any) -> ResendFailure:
    return kind(CallFacts(name=name, **facts))


class FakeClient:
    """Answers as told, then accepts; remembers every call as (key, addresses)."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.calls: list[tuple[str, list[str]]] = []
        self.bodies: list[bytes] = []
        self.before_answer: Callable[[], None] = lambda: None

    def connect_ahead(self) -> None:
        pass

    def send_batch(
        self, body: bytes, idempotency_key: str, *, size: int, leave_by: float | None = None
    ) -> BatchAccepted:
        mails = orjson.loads(body)
        assert len(mails) == size
        assert leave_by is not None
        self.bodies.append(body)
        self.calls.append((idempotency_key, [mail["to"][0] for mail in mails]))
        self.before_answer()
        answer = self.answers.pop(0) if self.answers else accept
        if isinstance(answer, ResendFailure):
            raise answer
        return answer(mails)


class FakeLimiter:
    """Grants at once, but for a freeze. The real one has tests of its own, on a real broker."""

    def __init__(self) -> None:
        self.frozen_until = 0.0
        self.given_back = 0
        self.asked: list[CallClass] = []
        self.told: list[float | None] = []

    def reserve(
        self,
        max_wait_ms: int = 500,
        *,
        lead_ms: int = 0,
        call_class: CallClass = CallClass.SINGLE,
    ) -> FakeSlot | Held:
        self.asked.append(call_class)
        left = self.frozen_until - time.monotonic()
        return Held(retry_in_s=left, reason=HeldReason.FROZEN) if left > 0 else FakeSlot()

    def give_back(self, slot: FakeSlot) -> bool:
        self.given_back += 1
        return True

    def observe(
        self, limit: float | None, *, remaining: float | None = None, reset_s: float | None = None
    ) -> None:
        self.told.append(limit)

    def freeze(self, retry_after_s: float) -> None:
        self.frozen_until = time.monotonic() + retry_after_s


class FakeBreaker:
    """Lets through until told to hold; remembers what it heard. The real one has its own tests."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.holds_from = float("inf")
        """It holds once it was told so often."""

    def admit(self) -> Permit | Held:
        if len(self.told) >= self.holds_from:
            return Held(retry_in_s=60, reason=HeldReason.BROKEN)
        return Permit(self, 0, "probe", shared=True)

    def record(self, permit: Permit, *, calls: int = 1, errors: int = 0) -> None:
        self.told.append("bad" if errors else "good")

    def give_back(self, permit: Permit) -> None:
        self.told.append("nothing")


class FakeSlot:
    leave_by = float("inf")
    call_class = CallClass.CAMPAIGN

    def wait(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("fake", "real", "names"),
    [
        (FakeClient, ResendClient, ("send_batch", "connect_ahead")),
        (FakeLimiter, Limiter, ("reserve", "give_back", "observe", "freeze")),
        (FakeBreaker, Breaker, ("admit", "record", "give_back")),
        (FakeSlot, Slot, ("wait",)),
    ],
)
def test_fakes_have_the_signatures_of_the_real_ones(
    fake: type, real: type, names: tuple[str, ...]
) -> None:
    for name in names:
        ours = inspect.signature(getattr(fake, name))
        theirs = inspect.signature(getattr(real, name))
        assert list(ours.parameters) == list(theirs.parameters)


@pytest.fixture
def breaker() -> FakeBreaker:
    return FakeBreaker()


@pytest.fixture
def limiter() -> FakeLimiter:
    return FakeLimiter()


@pytest.fixture
def provider(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    limiter: FakeLimiter,
    breaker: FakeBreaker,
) -> FakeClient:
    settings.RETRY_BASE_SECONDS = 60
    settings.RETRY_CAP_SECONDS = 60
    client = FakeClient()
    monkeypatch.setattr(
        Door, "of", classmethod(lambda cls, account: cls(account, client, limiter, breaker))
    )
    return client


def send(house: House, rounds: int = 1) -> None:
    """As many wake-ups as the test asks for, each finding what is due."""
    for _ in range(rounds):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE mail_batch SET due_at = statement_timestamp() - interval '1 second'"
                " WHERE state IN ('planned', 'calling')"
            )
        sending.send_batches(account_id=house.account.pk)


def states(mailing: Mailing) -> dict[str, int]:
    counted: dict[str, int] = {}
    for state in Message.objects.of(mailing).values_list("state", flat=True):
        counted[state] = counted.get(state, 0) + 1
    return counted


def test_whole_mailing_goes_out_and_completes(house: House, provider: FakeClient) -> None:
    mailing = house.planned(250)

    send(house)

    mailing.refresh_from_db()
    assert states(mailing) == {"sent": 250}
    assert mailing.state == "completed"
    assert len(provider.calls) == 3
    assert len({key for key, _ in provider.calls}) == 3


def test_permissive_errors_fail_their_own_message_alone(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    provider.answers = [lambda mails: accept(mails, {1: "to: not deliverable"})]

    send(house)

    assert states(mailing) == {"sent": 4, "failed": 1}
    failed = Message.objects.of(mailing).get(state="failed")
    assert failed.address == "p2@people.test"
    assert (failed.reason, failed.detail) == ("refused", "to: not deliverable")
    third = Message.objects.of(mailing).get(address="p3@people.test")
    assert third.provider_id == "id-p3@people.test"


def test_doubtful_call_is_repeated_byte_for_byte_under_its_key(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(Ambiguous, "timeout"), failure(Ambiguous, "reset")]

    send(house, rounds=3)

    assert states(mailing) == {"sent": 5}
    assert len(provider.calls) == 3
    assert len(set(provider.bodies)) == 1
    assert len({key for key, _ in provider.calls}) == 1


def test_person_who_leaves_after_a_doubtful_call_does_not_change_its_bytes(
    house: House, provider: FakeClient
) -> None:
    house.planned(5)
    provider.answers = [failure(Ambiguous, "timeout")]
    send(house)
    house.suppress(3)

    send(house)

    assert len(set(provider.bodies)) == 1


def test_throttled_call_is_sealed_anew_and_costs_no_attempt(
    house: House, provider: FakeClient
) -> None:
    house.planned(5)
    provider.answers = [
        failure(Throttled, "rate_limit_exceeded", rate=RateLimit(retry_after_s=0.1))
    ]
    send(house)
    house.suppress(3)
    time.sleep(0.15)

    send(house)

    first, second = provider.calls
    assert first[0] != second[0]
    assert "p3@people.test" not in second[1]
    assert Batch.objects.get().throttles == 1


def test_announced_limit_is_followed_and_kept_whatever_the_answer(
    house: House, provider: FakeClient, limiter: FakeLimiter
) -> None:
    house.planned(5)
    provider.answers = [failure(Throttled, rate=RateLimit(limit=7.0))]
    send(house)
    after_failure = ProviderAccount.objects.get(pk=house.account.pk).rate_limit

    limiter.frozen_until = 0.0
    provider.answers = [lambda mails: dataclasses.replace(accept(mails), rate=RateLimit(limit=9.0))]
    send(house)

    assert after_failure == 7
    assert ProviderAccount.objects.get(pk=house.account.pk).rate_limit == 9
    assert limiter.told == [7, 9]


def test_call_in_flight_is_asked_for_again_under_the_same_key(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(KeyInFlight, "concurrent_idempotent_requests")]

    send(house, rounds=2)

    assert states(mailing) == {"sent": 5}
    assert len({key for key, _ in provider.calls}) == 1


def test_quota_pauses_the_mailing_and_says_so(house: House, provider: FakeClient) -> None:
    mailing = house.planned(150)
    provider.answers = [failure(QuotaExceeded, "daily_quota_exceeded", status=429)]

    send(house)

    mailing.refresh_from_db()
    assert mailing.state == "paused"
    assert "daily_quota_exceeded" in mailing.state_reason
    assert states(mailing) == {"pending": 150}
    assert len(provider.calls) == 1
    assert not BatchBody.objects.exists()

    mailings.resume(mailing_id=mailing.pk)
    send(house)

    assert states(mailing) == {"sent": 150}


def test_quota_met_before_the_mailing_was_resumed_does_not_pause_it_again(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(5)
    mailings.pause(mailing_id=mailing.pk, reason="daily_quota_exceeded")
    mailings.resume(mailing_id=mailing.pk)
    slow = CallFacts(name="daily_quota_exceeded", status=429, latency_ms=60_000)
    provider.answers = [QuotaExceeded(slow)]

    send(house)

    assert states(mailing) == {"sent": 5}


def test_unverified_sender_pauses_the_mailing(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(SenderRefused, "validation_error", status=403)]

    send(house)

    mailing.refresh_from_db()
    assert (mailing.state, states(mailing)) == ("paused", {"pending": 5})


def test_refused_account_stops_with_all_its_mailings(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    other = house.mailing(name="other")
    provider.answers = [failure(AccountRefused, "invalid_api_key", status=403)]

    send(house, rounds=2)

    account = ProviderAccount.objects.get()
    assert "invalid_api_key" in account.stopped_reason
    assert set(Mailing.objects.values_list("state", flat=True)) == {"paused"}
    assert states(mailing) == {"pending": 5}
    assert other.pk
    assert len(provider.calls) == 1


def test_refused_batch_is_halved_until_the_bad_one_fails_alone(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(100)

    def refuse_37(mails: list[dict[str, Any]]) -> BatchAccepted:
        if any(mail["to"] == ["p37@people.test"] for mail in mails):
            raise failure(BatchRefused, "validation_error", status=422, message="invalid to")
        return accept(mails)

    provider.answers = [refuse_37] * 30

    send(house, rounds=2)

    assert states(mailing) == {"sent": 99, "failed": 1}
    failed = Message.objects.of(mailing).get(state="failed")
    assert failed.address == "p37@people.test"
    assert "validation_error" in failed.detail
    assert len(provider.calls) <= 16
    mailing.refresh_from_db()
    assert mailing.state == "completed"


def test_unreachable_provider_costs_nobody_anything(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(SurelyNotSent, "refused")] * 3

    send(house, rounds=4)

    assert states(mailing) == {"sent": 5}


def test_unreachable_for_longer_than_the_budget_fails_with_a_dead_letter(
    house: House, provider: FakeClient, settings: Settings
) -> None:
    settings.UNSENT_BUDGET_SECONDS = 0.01
    mailing = house.planned(5)
    provider.answers = [failure(SurelyNotSent, "refused")] * 2
    send(house)
    time.sleep(0.05)

    send(house)

    assert states(mailing) == {"failed": 5}
    assert DeadLetter.objects.get().reason == "unreachable"


def test_throttling_beyond_its_budget_is_a_dead_letter(
    house: House, provider: FakeClient, settings: Settings
) -> None:
    settings.THROTTLE_BUDGET_COUNT = 1
    settings.THROTTLE_BUDGET_SECONDS = 0
    mailing = house.planned(5)
    throttle = failure(Throttled, "rate_limit_exceeded", rate=RateLimit(retry_after_s=0.1))
    provider.answers = [throttle, throttle]
    send(house)
    time.sleep(0.15)

    send(house)

    assert states(mailing) == {"failed": 5}
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.queue) == ("throttled", "batch-email")

    time.sleep(0.15)
    provider.answers = [throttle]
    dead_letters.redrive(letter_id=letter.pk, by="anna")
    send(house)
    time.sleep(0.15)
    send(house)

    # Driven again, it has its whole budget again.
    assert states(mailing) == {"sent": 5}


def test_throttling_below_its_count_goes_on(
    house: House, provider: FakeClient, settings: Settings
) -> None:
    settings.THROTTLE_BUDGET_COUNT = 3
    settings.THROTTLE_BUDGET_SECONDS = 0
    mailing = house.planned(5)
    throttle = failure(Throttled, "rate_limit_exceeded", rate=RateLimit(retry_after_s=0.1))
    provider.answers = [throttle] * 3

    for _ in range(4):
        send(house)
        time.sleep(0.15)

    assert states(mailing) == {"sent": 5}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (accept, "good"),
        (failure(Ambiguous, "application_error", status=500), "bad"),
        (failure(Ambiguous, "not_json", status=502), "bad"),
        (failure(Ambiguous, "unreadable", status=200), "bad"),
        (failure(Ambiguous, "timeout"), "bad"),
        (failure(Ambiguous, "reset"), "bad"),
        (failure(SurelyNotSent, "refused"), "bad"),
        (failure(Ambiguous, "unnamed", status=418), "good"),
        (failure(KeyInFlight, "concurrent_idempotent_requests", status=409), "good"),
        (failure(SenderRefused, "validation_error", status=403), "good"),
        (failure(Throttled, "rate_limit_exceeded", status=429), "nothing"),
        (failure(QuotaExceeded, "daily_quota_exceeded", status=429), "nothing"),
    ],
)
def test_breaker_learns_what_the_end_of_a_call_says_of_the_provider(
    house: House, provider: FakeClient, breaker: FakeBreaker, answer: Answer, told: str
) -> None:
    house.planned(5)
    provider.answers = [answer]

    send(house)

    assert breaker.told[0] == told


def test_error_of_our_own_says_nothing_of_the_provider(
    house: House, provider: FakeClient, breaker: FakeBreaker
) -> None:
    house.planned(5)

    def stumble(mails: list[dict[str, Any]]) -> BatchAccepted:
        raise ZeroDivisionError

    provider.answers = [stumble]

    with pytest.raises(ZeroDivisionError):
        send(house)

    assert breaker.told == ["nothing"]


def test_open_breaker_claims_nothing_and_burns_no_attempt(
    house: House, provider: FakeClient, breaker: FakeBreaker
) -> None:
    mailing = house.planned(300)
    breaker.holds_from = 1
    provider.answers = [failure(SurelyNotSent, "refused")]

    send(house, rounds=5)

    assert len(provider.calls) == 1
    assert sorted(Batch.objects.values_list("attempts", "fence")) == [(0, 0), (0, 0), (1, 1)]
    assert states(mailing) == {"pending": 300}


def test_key_older_than_the_provider_remembers_is_never_called_again(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(Ambiguous, "timeout")]
    send(house)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mail_batch SET key_made_at = key_made_at - interval '23.1 hours'")

    send(house)

    assert states(mailing) == {"unknown": 5}
    assert len(provider.calls) == 1
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.subject) == ("key_expired", "mail.batch")


def test_whose_delivery_was_reported_meanwhile_is_not_in_doubt(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(2)
    provider.answers = [failure(Ambiguous, "timeout")]
    send(house)
    Message.objects.of(mailing).filter(address="p1@people.test").update(
        delivery=Message.Delivery.DELIVERED, provider_id="id-1"
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mail_batch SET key_made_at = key_made_at - interval '23.1 hours'")

    send(house)

    assert states(mailing) == {"sent": 1, "unknown": 1}
    assert Message.objects.of(mailing).get(state="sent").provider_id == "id-1"


def test_mismatched_key_is_never_sent_under_another(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(KeyMismatch, "invalid_idempotent_request", status=409)]

    send(house, rounds=2)

    assert states(mailing) == {"unknown": 5}
    assert len(provider.calls) == 1
    assert DeadLetter.objects.get().reason == "key_mismatch"


def test_lost_body_is_unknown_and_never_rendered_again(house: House, provider: FakeClient) -> None:
    mailing = house.planned(5)
    provider.answers = [failure(Ambiguous, "timeout")]
    send(house)
    BatchBody.objects.all().delete()

    send(house)

    assert states(mailing) == {"unknown": 5}
    assert DeadLetter.objects.get().reason == "body_missing"


def test_failing_batch_does_not_stop_the_others(house: House, provider: FakeClient) -> None:
    mailing = house.planned(300)
    provider.answers = [failure(Ambiguous, "timeout"), failure(SurelyNotSent, "refused")]

    send(house)

    assert states(mailing)["sent"] == 100

    send(house)

    assert states(mailing) == {"sent": 300}


def test_worker_that_slept_through_its_lease_settles_nothing(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(5)

    def overtake() -> None:
        provider.before_answer = lambda: None
        send(house)

    provider.before_answer = overtake
    provider.answers = []

    send(house)

    assert states(mailing) == {"sent": 5}
    assert Batch.objects.get().sent == 5
    assert len({key for key, _ in provider.calls}) == 1


def test_call_under_way_is_settled_although_the_mailing_is_cancelled_meanwhile(
    house: House, provider: FakeClient
) -> None:
    mailing = house.planned(150)

    def cancel() -> None:
        provider.before_answer = lambda: None
        mailings.cancel(mailing_id=mailing.pk, reason="wrong list")

    provider.before_answer = cancel

    send(house)
    mailings.settle_cancelled()

    counted = states(mailing)
    assert len(provider.calls) == 1
    assert counted == {
        "sent": len(provider.calls[0][1]),
        "skipped": 150 - len(provider.calls[0][1]),
    }


class WorkerDiedError(BaseException):
    """Stands for a crash: nothing that follows in the worker is done."""


def send_though_killed(house: House, *, rounds: int) -> None:
    for _ in range(rounds):
        with contextlib.suppress(WorkerDiedError):
            send(house)


def test_mail_whose_composing_kills_is_set_apart_and_the_others_go_out(
    house: House, provider: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = house.planned(8)

    def compose(batch: ClaimedBatch) -> Sealed:
        sealed = sealing.compose(batch)
        if "p7@people.test" in sealed.addresses:
            raise WorkerDiedError
        return sealed

    monkeypatch.setattr(sending, "compose", compose)
    send_though_killed(house, rounds=4 * (sending.MOST_FALLS + 1) + 4)

    assert states(mailing) == {"sent": 7, "failed": 1}
    failed = Message.objects.of(mailing).get(state="failed")
    assert (failed.address, failed.reason) == ("p7@people.test", "killed_its_worker")
    called = [address for _, addresses in provider.calls for address in addresses]
    assert sorted(called) == sorted(set(called))
    letter = DeadLetter.objects.open().get()
    assert (letter.reason, letter.queue) == ("killed_its_worker", "batch-email")
    mailing.refresh_from_db()
    assert mailing.state == "completed"


def test_batch_whose_workers_were_killed_for_other_reasons_stays_whole(
    house: House, provider: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = house.planned(8)
    deaths = iter(range(sending.MOST_FALLS - 1))

    def compose(batch: ClaimedBatch) -> Sealed:
        if next(deaths, None) is not None:
            raise WorkerDiedError
        return sealing.compose(batch)

    monkeypatch.setattr(sending, "compose", compose)
    send_though_killed(house, rounds=sending.MOST_FALLS)

    assert states(mailing) == {"sent": 8}
    assert len(provider.calls) == 1
    assert Batch.objects.get().falls == 0


def test_batch_that_is_given_back_has_not_fallen(house: House, provider: FakeClient) -> None:
    house.planned(8)
    for _ in range(2 * sending.MOST_FALLS):
        batch = claiming.claim_batch(account_id=house.account.pk)
        assert batch is not None
        claiming.release(batch)

    send(house)

    assert len(provider.calls) == 1
