"""Sending: permit, slot, claim, seal, call, settle; again and again while work is due.

The permit is the breaker's, the slot the limiter's. Whoever gets none has claimed nothing and
leaves: being held back costs no attempt.

No transaction is open during the call, and the call's total deadline ends well inside the lease.
What an answer means is decided by the client's error classes alone (see `apps.mail.resend`).
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.brands.models import ProviderAccount
from apps.mail import doubts, mailings, regrouping
from apps.mail.claiming import ClaimedBatch, claim_batch, gather_singles, release
from apps.mail.clients import breaker_for, client_for, limiter_for
from apps.mail.errors import LeaseLostError
from apps.mail.models import Mailing, Message
from apps.mail.outcomes import (
    DEAD_LETTER_SUBJECT,
    Attempt,
    Verdict,
    open_letter,
    put_back,
    queue_of,
    settle,
    settle_all,
    try_same_again,
)
from apps.mail.resend import (
    AccountRefused,
    Ambiguous,
    BatchAccepted,
    BatchRefused,
    KeyInFlight,
    KeyMismatch,
    QuotaExceeded,
    ResendFailure,
    SenderRefused,
    SurelyNotSent,
    Throttled,
)
from apps.mail.resend.trouble import is_missed_slot, report_call
from apps.mail.sealing import BodyMissingError, Resolved, Sealed, compose, reopen, seal
from apps.queues import figures
from apps.queues.correlation import correlation_id, under_correlation_id
from apps.queues.flags import Flag, is_on
from apps.queues.limiting import CallClass, Held, Limiter, Slot
from apps.queues.names import Queue
from apps.queues.poison import KILLED_ITS_WORKER
from apps.queues.throttling import THROTTLED, note_429

if TYPE_CHECKING:
    from apps.mail.resend import RateLimit, ResendClient
    from apps.queues.breaking import Breaker, Permit

log = structlog.get_logger(__name__)

# One wake-up works this long and then lets the queue's next one in, so that accounts share the
# workers. Far below the task's time limit.
TURN_SECONDS = 10.0
# Its mailing waits for a person; a call in doubt asks again this often meanwhile.
QUOTA_WAIT_SECONDS = 900.0
IN_FLIGHT_WAIT_SECONDS = 1.0
# While the call's slot is still to come, the batch is composed. It takes about this long.
COMPOSE_LEAD_MS = 100
# Single mails may reserve this far ahead. Bulk as well, but only when it is its turn and others
# want slots too: the limiter cuts it short otherwise.
SINGLE_WAIT_MS = 1_000
BULK_WAIT_MS = 2_000
# A worker may be killed for reasons of its own; a batch that so many in a row did not outlive is
# the reason itself.
MOST_FALLS = 3


@dataclass(frozen=True)
class Door:
    """An account's client, limiter and breaker: everything a batch needs to leave."""

    account: ProviderAccount
    client: ResendClient
    limiter: Limiter
    breaker: Breaker

    @classmethod
    def of(cls, account: ProviderAccount) -> Door:
        return cls(account, client_for(account), limiter_for(account), breaker_for(account))

    def admit(self) -> Permit | Held:
        """Leave to make a call; always, where the breaker is switched off."""
        if is_on(Flag.CIRCUIT_BREAKER):
            return self.breaker.admit()
        return self.breaker.ordinary_permit()

    def follow(self, rate: RateLimit) -> None:
        """Obey the limit an answer announced, and keep it for a limiter that lost its state."""
        self.limiter.observe(rate.limit, remaining=rate.remaining, reset_s=rate.reset_s)
        if rate.limit and rate.limit != self.account.rate_limit:
            self.account.rate_limit = rate.limit
            ProviderAccount.objects.filter(pk=self.account.pk).update(rate_limit=rate.limit)


def send_batches(*, account_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """Sends the account's due bulk batches; returns how many calls it made.

    It ends when none is due, when breaker or limiter hold, or when the turn is over. A held worker
    leaves instead of waiting: those that have a slot are enough to use the limit, and the next
    wake-up may belong to another account.
    """
    door = Door.of(ProviderAccount.objects.get(pk=account_id))
    ends_at = time.monotonic() + turn_seconds
    calls = 0
    while time.monotonic() < ends_at:
        permit = door.admit()
        if isinstance(permit, Held):
            break
        with permit:
            slot = door.limiter.reserve(
                BULK_WAIT_MS, lead_ms=COMPOSE_LEAD_MS, call_class=CallClass.CAMPAIGN
            )
            if isinstance(slot, Held):
                break
            batch = claim_batch(account_id=account_id)
            if batch is None:
                door.limiter.give_back(slot)
                mailings.close_finished()
                break
            calls += send_claimed(batch, door, slot, permit)
    return calls


def send_singles(*, account_id: int, turn_seconds: float = TURN_SECONDS) -> int:
    """The same for single mails, which are gathered first and do wait for their slot."""
    door = Door.of(ProviderAccount.objects.get(pk=account_id))
    ends_at = time.monotonic() + turn_seconds
    calls = 0
    time.sleep(settings.SINGLE_GATHER_MS / 1000)
    while time.monotonic() < ends_at:
        permit = door.admit()
        if isinstance(permit, Held):
            break
        with permit:
            batch = claim_batch(account_id=account_id, single=True)
            if batch is not None:
                calls += _send_single(batch, door, permit, ends_at)
            elif not gather_singles(account_id=account_id, correlation=correlation_id()):
                break
    return calls


def _send_single(batch: ClaimedBatch, door: Door, permit: Permit, ends_at: float) -> int:
    slot = _slot_until(ends_at, door.limiter, CallClass.SINGLE)
    if slot is None:
        release(batch)
        return 0
    return send_claimed(batch, door, slot, permit)


def send_claimed(batch: ClaimedBatch, door: Door, slot: Slot, permit: Permit) -> int:
    """Seals (or reopens), calls and settles one batch; returns 1 when a call was made.

    Losing the lease on the way is no error: its new owner does the rest.
    """
    structlog.contextvars.bind_contextvars(batch=batch.id, mailing=batch.mailing_id)
    try:
        # That of the launch or request which the mails are for, not of the wake-up that came.
        with under_correlation_id(batch.correlation_id):
            return int(_send_owned(batch, door, slot, permit))
    except LeaseLostError:
        log.warning("lease_lost", fence=batch.fence)
        return 0
    finally:
        structlog.contextvars.unbind_contextvars("batch", "mailing")


def _send_owned(batch: ClaimedBatch, door: Door, slot: Slot, permit: Permit) -> bool:
    prepared = _reopened(batch) if batch.sealed else _sealed(batch)
    if prepared is None:
        door.limiter.give_back(slot)
        return False
    batch, sealed = prepared
    try:
        accepted = _leave(sealed, door, slot)
    except ResendFailure as failure:
        report_call(permit, failure)
        door.follow(failure.rate)
        _settle_failure(batch, sealed, door, failure)
        return True
    if accepted is None:
        put_back(batch, Attempt("held"), wait_seconds=0.0, failing=False)
        return False
    report_call(permit, None)
    _settle_accepted(batch, sealed, door, accepted)
    return True


def _sealed(batch: ClaimedBatch) -> tuple[ClaimedBatch, Sealed] | None:
    """The batch with its bytes fixed, or None where nothing of it is to be called."""
    if batch.mailing_id is None and regrouping.holds_paused_mail(batch):
        regrouping.dissolve(batch, error="a stream was paused")
        return None
    if batch.falls > MOST_FALLS:
        _set_apart(batch)
        return None
    sealed = compose(batch)
    if not seal(batch, sealed):
        release(batch)
        return None
    if not sealed.message_ids:
        return None
    attempts = batch.attempts + 1
    return dataclasses.replace(batch, sealed=True, key=sealed.key, attempts=attempts), sealed


def _set_apart(batch: ClaimedBatch) -> None:
    """What kills whoever composes this batch is found by halves; the others' mails go through."""
    told = f"{MOST_FALLS} workers in a row ended while they composed it"
    message_ids, addresses = _pending(batch)
    log.error("batch_kills_workers", mails=len(message_ids))
    if len(message_ids) > 1:
        halved = Sealed(batch.key, b"", message_ids, addresses)
        regrouping.split(batch, halved, Attempt("split", error=told))
        return
    ends = [
        Resolved(message_id, Message.State.FAILED, KILLED_ITS_WORKER, told)
        for message_id in message_ids
    ]
    settled = Sealed(uuid.uuid4().hex, b"", [], [], ends)
    with transaction.atomic():
        if seal(batch, settled) and ends:
            open_letter(batch, reason=KILLED_ITS_WORKER, error=told)


def _reopened(batch: ClaimedBatch) -> tuple[ClaimedBatch, Sealed] | None:
    """The batch with its bytes, or None where it can never be called again and was settled."""
    try:
        sealed = reopen(batch)
    except BodyMissingError as error:
        log.exception("body_missing")
        # Without bytes nobody can ask again; without messages there is nothing to settle.
        sealed = Sealed(batch.key, b"", *_pending(batch))
        _give_up_in_doubt(batch, sealed, "body_missing", Attempt("unknown", error=str(error)))
        return None
    if batch.key_age_s > settings.IDEMPOTENCY_KEY_SECONDS:
        attempt = Attempt("unknown", error="the provider has forgotten the idempotency key")
        _give_up_in_doubt(batch, sealed, "key_expired", attempt)
        return None
    return batch, sealed


def _pending(batch: ClaimedBatch) -> tuple[list[int], list[str]]:
    rows = (
        Message.objects.filter(month=batch.month, batch_id=batch.id, state=Message.State.PENDING)
        .order_by("pk")
        .values_list("pk", "address")
    )
    return [row[0] for row in rows], [row[1] for row in rows]


def _leave(sealed: Sealed, door: Door, slot: Slot) -> BatchAccepted | None:
    """Calls at the slot's instant; a slot that composing has outlived is reserved anew.

    None where the limiter grants no other within a third of the lease: then nothing has left.
    """
    ends_at = time.monotonic() + settings.BATCH_LEASE_SECONDS / 3
    door.client.connect_ahead()
    current: Slot | None = slot
    while current is not None:
        if current.wait():
            try:
                return door.client.send_batch(
                    sealed.body,
                    sealed.key,
                    size=len(sealed.message_ids),
                    leave_by=current.leave_by,
                )
            except SurelyNotSent as failure:
                if not is_missed_slot(failure):
                    raise
        current = _slot_until(ends_at, door.limiter, slot.call_class)
    return None


def _slot_until(ends_at: float, limiter: Limiter, call_class: CallClass) -> Slot | None:
    longest_wait_ms = SINGLE_WAIT_MS if call_class is CallClass.SINGLE else BULK_WAIT_MS
    while True:
        answer = limiter.reserve(longest_wait_ms, call_class=call_class)
        if not isinstance(answer, Held):
            return answer
        if time.monotonic() + answer.retry_in_s > ends_at:
            return None
        time.sleep(answer.retry_in_s)


def _settle_accepted(
    batch: ClaimedBatch, sealed: Sealed, door: Door, accepted: BatchAccepted
) -> None:
    settle(batch, sealed, _verdicts(accepted), Attempt("accepted", accepted.latency_ms))
    log.info(
        "batch_settled",
        sent=len(sealed.message_ids) - len(accepted.errors),
        failed=len(accepted.errors),
        attempt=batch.attempts,
        latency_ms=round(accepted.latency_ms, 1),
    )
    figures.note_units(
        Queue.BATCH_EMAIL if batch.mailing_id else Queue.SINGLE_EMAIL, len(sealed.message_ids)
    )
    door.follow(accepted.rate)


def _verdicts(accepted: BatchAccepted) -> list[Verdict]:
    return [
        Verdict(Message.State.SENT, provider_id=provider_id)
        if provider_id is not None
        else Verdict(Message.State.FAILED, "refused", accepted.errors.get(index, ""))
        for index, provider_id in enumerate(accepted.ids)
    ]


def _settle_failure(
    batch: ClaimedBatch, sealed: Sealed, door: Door, failure: ResendFailure
) -> None:
    attempt = Attempt(type(failure).__name__, failure.latency_ms, str(failure))
    log.warning("batch_not_accepted", outcome=attempt.outcome, error=attempt.error,
                attempt=batch.attempts)  # fmt: skip
    match failure:
        case Throttled():
            door.limiter.freeze(failure.retry_after_s)
            _settle_throttled(batch, sealed, attempt, failure.retry_after_s)
        case QuotaExceeded() | SenderRefused():
            mailings.pause_for_provider(
                mailing_ids=_mailings_of(batch),
                reason=str(failure),
                refused_call_ms=failure.latency_ms,
            )
            _let_wait(batch, attempt)
        case AccountRefused():
            stop_account(door.account, str(failure))
            _let_wait(batch, attempt)
        case KeyInFlight():
            try_same_again(batch, attempt, doubt=True, wait_seconds=IN_FLIGHT_WAIT_SECONDS)
        case KeyMismatch():
            _give_up_in_doubt(batch, sealed, "key_mismatch", attempt)
        case BatchRefused() if len(sealed.message_ids) > 1:
            regrouping.split(batch, sealed, attempt)
        case BatchRefused():
            verdict = Verdict(Message.State.FAILED, "refused", str(failure))
            settle_all(batch, sealed, verdict, attempt, letter=False)
        case SurelyNotSent():
            _settle_unsent(batch, sealed, attempt)
        case Ambiguous():
            try_same_again(batch, attempt, doubt=True)
        case _:  # a class this version does not know: never guess that it was not sent
            try_same_again(batch, attempt, doubt=True)


def _mailings_of(batch: ClaimedBatch) -> list[int]:
    if batch.mailing_id is not None:
        return [batch.mailing_id]
    messages = Message.objects.filter(month=batch.month, batch_id=batch.id)
    return list(messages.values_list("mailing_id", flat=True).distinct())


def _let_wait(batch: ClaimedBatch, attempt: Attempt) -> None:
    """Refused for a reason that a person must put right; its mailings were paused before.

    Single mails wait for themselves again, each for its own stream.
    """
    if batch.mailing_id is None and regrouping.dissolve(batch, error=attempt.error):
        return
    put_back(batch, attempt, wait_seconds=QUOTA_WAIT_SECONDS if batch.ambiguous else 0.0)


def _settle_throttled(
    batch: ClaimedBatch, sealed: Sealed, attempt: Attempt, retry_after_s: float
) -> None:
    """A 429 costs no attempt, but has a budget of its own: a count and an age, both spent."""
    is_spent = note_429(
        queue=queue_of(batch),
        subject=DEAD_LETTER_SUBJECT,
        subject_id=batch.id,
        before=batch.throttles,
        seconds=batch.failing_s,
    )
    if is_spent:
        _give_up(batch, sealed, THROTTLED, attempt)
    else:
        put_back(batch, attempt, wait_seconds=retry_after_s, throttled=True)


def _settle_unsent(batch: ClaimedBatch, sealed: Sealed, attempt: Attempt) -> None:
    if batch.failing_s >= settings.UNSENT_BUDGET_SECONDS:
        _give_up(batch, sealed, "unreachable", attempt)
    else:
        put_back(batch, attempt)


def _give_up(batch: ClaimedBatch, sealed: Sealed, reason: str, attempt: Attempt) -> None:
    """Spent. Failed where no attempt can have been accepted, else in doubt."""
    if batch.ambiguous:
        _give_up_in_doubt(batch, sealed, reason, attempt)
    else:
        verdict = Verdict(Message.State.FAILED, reason, attempt.error)
        settle_all(batch, sealed, verdict, attempt, letter=True)


def _give_up_in_doubt(batch: ClaimedBatch, sealed: Sealed, reason: str, attempt: Attempt) -> None:
    verdict = Verdict(Message.State.UNKNOWN, reason, attempt.error)
    with transaction.atomic():
        settle_all(batch, sealed, verdict, attempt, letter=True)
        # Events that came while the call was in doubt have told already what became of some.
        doubts.settle_proven(batch_id=batch.id)


def stop_account(account: ProviderAccount, reason: str) -> None:
    """The key or the account itself is refused: nothing goes out until a person has looked."""
    with transaction.atomic():
        ProviderAccount.objects.filter(pk=account.pk, stopped_at__isnull=True).update(
            stopped_at=Now(), stopped_reason=reason[:200]
        )
        running = Mailing.objects.running().filter(account=account)
        mailings.pause_for_provider(
            mailing_ids=list(running.values_list("pk", flat=True)), reason=reason
        )
    log.error("account_stopped", account=account.pk, reason=reason)
