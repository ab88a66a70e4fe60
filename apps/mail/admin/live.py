"""What a page shows of a mailing under way, on the first look and at every later one.

Everything is text already, so that the script of the page only has to put it in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.mail.models import BATCH_SIZE, Mailing, Message
from apps.mail.reports.wording import reason_in_words, state_in_words

if TYPE_CHECKING:
    from apps.mail.results import Progress

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_FOLLOWED = (
    Message.State.SENT,
    Message.State.PENDING,
    Message.State.FAILED,
    Message.State.UNKNOWN,
    Message.State.SKIPPED,
)
_REASONED = frozenset({Message.State.FAILED, Message.State.UNKNOWN, Message.State.SKIPPED})


@dataclass(frozen=True)
class Advice:
    """Why nothing is sent, in plain words, and what to do about it."""

    title: str
    text: str


def look(progress: Progress) -> dict[str, Any]:
    """One look, ready for JSON. `key` changes where the page must be drawn anew."""
    total = progress.audience
    return {
        "key": f"{progress.state}/{bool(progress.account_stopped)}/{progress.complete}",
        "moving": progress.state == Mailing.State.RUNNING or bool(progress.in_flight),
        "done": progress.done,
        "total": total,
        "texts": _texts(progress),
        "rows": [_row(progress, state) for state in _FOLLOWED],
    }


def _texts(progress: Progress) -> dict[str, str]:
    total = progress.audience
    share = 100 * progress.done / total if total else 0.0
    more = "" if progress.audience_complete else "+"
    limit = progress.requests_per_second * BATCH_SIZE
    return {
        "done": f"{progress.done:,}",
        "total": f"{total:,}{more}",
        "percent": f"{share:.0f} %" if share in (0.0, 100.0) else f"{min(share, 99.9):.1f} %",
        "rate": f"{progress.per_second:,.0f}",
        "limit": f"{limit:,.0f}",
        "time_left": _time_left(progress),
        "in_flight": f"{progress.in_flight:,}",
    }


def _time_left(progress: Progress) -> str:
    if progress.complete:
        return "none"
    if progress.state != Mailing.State.RUNNING:
        return "waits"
    if not progress.audience_complete:
        return "still adding people"
    seconds = progress.seconds_left
    return "not known yet" if seconds is None else span_in_words(seconds)


def _row(progress: Progress, state: Message.State) -> dict[str, Any]:
    number = {
        Message.State.SENT: progress.sent,
        Message.State.PENDING: progress.pending,
        Message.State.FAILED: progress.failed,
        Message.State.UNKNOWN: progress.unknown,
        Message.State.SKIPPED: progress.skipped,
    }[state]
    reasons = progress.by_reason(state) if state in _REASONED else {}
    return {
        "state": str(state),
        "words": state_in_words(state),
        "number": f"{number:,}",
        "reasons": [
            {"reason": reason, "words": reason_in_words(state, reason), "number": f"{count:,}"}
            for reason, count in reasons.items()
        ],
    }


def span_in_words(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 20 min`, `2 days`."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h {round(seconds % _HOUR / _MINUTE)} min"
    return f"{seconds / _DAY:.1f} days"


def advice(mailing: Mailing) -> Advice | None:
    """None where nothing is in the way. Expects the mailing with its account."""
    account = mailing.account
    if account.stopped_at is not None and mailing.state in ("running", "paused"):
        return Advice(
            f"The provider account “{account.name}” is stopped",
            f"Reason: {account.stopped_reason}. Nothing is sent through it. Put right what is wrong"
            f" (often the API key), start the account again, and then resume what is paused.",
        )
    if mailing.state != Mailing.State.PAUSED:
        return None
    reason = mailing.state_reason
    if "daily_quota" in reason:
        return Advice(
            "Paused: the provider's quota for today is spent",
            "Nothing is lost. Resume when the provider has renewed it (24 hours after its first"
            " mail), or raise the plan and resume at once.",
        )
    if "monthly_quota" in reason:
        return Advice(
            "Paused: the provider's quota for this month is spent",
            "Nothing is lost. Raise the plan and resume, or resume when the new month begins.",
        )
    if reason.startswith("403"):
        return Advice(
            "Paused: the provider refuses the sender",
            f"It said: {reason}. Verify the sending domain at the provider, then resume.",
        )
    return Advice(
        "Paused",
        f"{_by_whom(reason)} Calls under way have ended; nothing more is sent until it is resumed.",
    )


def _by_whom(reason: str) -> str:
    """`user:5 anna: wrong date` as a person says it."""
    who, _, why = reason.removeprefix("by ").partition(": ")
    if not who.startswith(("user:", "key:")):
        return f"Reason: {reason}."
    name = actor_in_words(who)
    return f"By {name}: {why}." if why else f"By {name}."


def actor_in_words(actor: str) -> str:
    """`user:5 anna` is anna, `key:3 shop` the API key “shop”; anybody else as they are written."""
    kind, _, rest = actor.partition(":")
    name = rest.partition(" ")[2]
    if not name:
        return actor
    return {"user": name, "key": f"the API key “{name}”"}.get(kind, actor)


def state_label(state: str) -> str:
    """The tone that a state is shown in: good, bad, warn or plain."""
    tones: dict[str, str] = {
        Message.State.SENT: "good",
        Message.State.FAILED: "bad",
        Message.State.UNKNOWN: "warn",
        Mailing.State.COMPLETED: "good",
        Mailing.State.PAUSED: "warn",
        Mailing.State.CANCELLED: "bad",
    }
    return tones.get(state, "plain")
