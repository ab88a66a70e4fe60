"""Running one call through the SDK, and judging what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import structlog
from resend.exceptions import ResendError

from apps.mail.resend.answers import AnswerMismatchError, RateLimit
from apps.mail.resend.errors import (
    MISSED_SLOT,
    Ambiguous,
    CallFacts,
    ResendFailure,
    SurelyNotSent,
)
from apps.mail.resend.scrubbing import error_name, scrub
from apps.mail.resend.verdicts import NOT_JSON, verdict
from apps.queues import metrics, outbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.mail.resend.sdk_bridge import SdkCall
    from apps.mail.resend.verdicts import Judge
    from apps.queues.outbound import Answer

log = structlog.get_logger(__name__)

T = TypeVar("T")
_FIRST_ERROR_STATUS = 300


def run(
    operation: str,
    call: SdkCall,
    ask: Callable[[], object],
    read: Callable[[Answer, object], T],
    judge: Judge = verdict,
) -> T:
    """One SDK operation, its answer read, its failure judged; one line in the log, and counted.

    `read` makes the result of the answer and of what the SDK made of it; it may raise
    `AnswerMismatchError`. `judge` is the table that says what a refusal means.
    """
    try:
        result = _judged(call, ask, read, judge)
    except ResendFailure as failure:
        note_call(operation, type(failure).__name__, failure.facts)
        raise
    answer = cast("Answer", call.answer)
    facts = CallFacts(name="", status=answer.status, latency_ms=answer.latency_ms)
    note_call(operation, "ok", facts)
    return result


def _judged(
    call: SdkCall, ask: Callable[[], object], read: Callable[[Answer, object], T], judge: Judge
) -> T:
    try:
        found = call.run(ask)
    except ResendError as error:
        failure = _failure_of(call, error, judge)
    except Exception:
        if call.answer is None:
            raise
        # Whatever the SDK stumbles over in an answer, the provider has given one.
        failure = _unusable(call.answer, "unreadable")
    else:
        return _read(call, found, read, judge)
    # Raised out here because the SDK's error quotes the provider, addresses included: as our
    # error's context it would travel into logs and error reports.
    raise failure from (call.failure if call.failure is not failure else None)


def _read(call: SdkCall, found: object, read: Callable[[Answer, object], T], judge: Judge) -> T:
    answer = call.answer
    if answer is None:
        raise RuntimeError("the SDK did not use the HTTP client installed for it")
    if answer.status >= _FIRST_ERROR_STATUS:  # the SDK takes a redirect for a success
        raise _refusal(answer, answer.status, "unnamed", "", judge)
    try:
        return read(answer, found)
    except AnswerMismatchError as error:
        raise _unusable(answer, error.reason) from error


def _failure_of(call: SdkCall, error: ResendError, judge: Judge) -> Exception:
    """The SDK reports everything as a ResendError; tell our own verdict from the provider's."""
    match call.failure:
        case None if call.answer is not None:
            answer = call.answer
            status = answer.status if answer.status >= _FIRST_ERROR_STATUS else _code(error)
            return _refusal(answer, status, error_name(error.error_type), str(error.message), judge)
        case outbound.NotSent() as failure:
            return SurelyNotSent(CallFacts(failure.reason, latency_ms=failure.latency_ms))
        case outbound.Ambiguous() as failure:
            return Ambiguous(CallFacts(failure.reason, latency_ms=failure.latency_ms))
        case failure:
            return failure or error  # a mistake of ours, before anything left


def _refusal(answer: Answer, status: int, name: str, message: str, judge: Judge) -> ResendFailure:
    kind = judge(status, name)
    return kind(
        CallFacts(
            name=_name_told(answer, name),
            status=answer.status,
            message=scrub(message),
            rate=RateLimit.from_headers(answer.headers),
            latency_ms=answer.latency_ms,
        )
    )


def _name_told(answer: Answer, name: str) -> str:
    """The SDK has one name for three things: spoilt successes, proxies' pages, server errors."""
    if name == NOT_JSON and answer.status < _FIRST_ERROR_STATUS:
        return "unreadable"
    if name == NOT_JSON and "application/json" not in answer.headers.get("content-type", ""):
        return "not_json"
    return name


def _unusable(answer: Answer, reason: str) -> Ambiguous:
    rate = RateLimit.from_headers(answer.headers)
    return Ambiguous(
        CallFacts(reason, status=answer.status, rate=rate, latency_ms=answer.latency_ms)
    )


def _code(error: ResendError) -> int:
    try:
        return int(error.code)
    except (TypeError, ValueError):
        return 0


def note_call(operation: str, outcome: str, facts: CallFacts) -> None:
    """One line in the log and the metrics of the call; `outcome` is ok or an error's class."""
    if facts.name != MISSED_SLOT:  # then no call was made
        metrics.count_provider_call(
            provider="resend",
            operation=operation,
            outcome=outcome,
            seconds=facts.latency_ms / 1000,
            # A server's own name for an error may be one of the transport's words.
            reason=facts.name if facts.status is None else "",
        )
    log.debug(
        "resend_call",
        operation=operation,
        outcome=outcome,
        status=facts.status,
        name=facts.name,
        latency_ms=round(facts.latency_ms, 1),
    )
