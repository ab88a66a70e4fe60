"""What states and reasons are called where people read them, and what can be done about them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from apps.contacts.eligibility import SkipReason
from apps.mail.models import Message
from apps.queues.poison import KILLED_ITS_WORKER

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES: Mapping[str, str] = MappingProxyType(
    {
        Message.State.PENDING: "waiting",
        Message.State.SENT: "sent",
        Message.State.FAILED: "failed",
        Message.State.SKIPPED: "skipped",
        Message.State.UNKNOWN: "in doubt",
    }
)


@dataclass(frozen=True)
class ReasonWords:
    """`retry` says whether the same mail may well go through when it is sent again."""

    text: str
    retry: bool = True


_FAILED = {
    "refused": ReasonWords("refused by the provider", retry=False),
    "template": ReasonWords("the template fails with this person's data", retry=False),
    "throttled": ReasonWords("the provider kept asking us to slow down"),
    "unreachable": ReasonWords("the provider could not be reached"),
    KILLED_ITS_WORKER: ReasonWords("composing it ended its worker each time", retry=False),
    "not_sent": ReasonWords("looked up at the provider: not sent"),
}
_UNKNOWN = {
    "key_expired": ReasonWords("the provider did not answer in time, and has forgotten the call"),
    "key_mismatch": ReasonWords("the provider knows the call with another content"),
    "body_missing": ReasonWords("the content of the call is lost"),
    "throttled": ReasonWords("no clear answer, then asked to slow down for too long"),
    "unreachable": ReasonWords("no clear answer, then not reachable for too long"),
}
_SKIPPED = {
    **{reason.value: ReasonWords(str(reason.label), retry=False) for reason in SkipReason},
    "excluded": ReasonWords("excluded by the audience's rules", retry=False),
    "cancelled": ReasonWords("the campaign was cancelled", retry=False),
}
_BY_STATE: Mapping[str, Mapping[str, ReasonWords]] = MappingProxyType(
    {
        Message.State.FAILED: _FAILED,
        Message.State.UNKNOWN: _UNKNOWN,
        Message.State.SKIPPED: _SKIPPED,
    }
)

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "sent": "sent",
        "delivered": "delivered",
        "undelivered": "not delivered",
        "bounced": "bounced",
        "complained": "complained",
        "opened": "opened",
        "clicked": "clicked",
        "auto_opened": "opened by machines",
        "auto_clicked": "clicked by machines",
    }
)


def state_in_words(state: str) -> str:
    return STATES.get(state, state)


def reason_in_words(state: str, reason: str) -> str:
    """A reason of a newer version is shown as it is written."""
    known = _BY_STATE.get(state, {}).get(reason)
    return known.text if known else reason.replace("_", " ")


def may_be_retried(reason: str) -> bool:
    """Whether sending again is worth it; all failed ones surely got nothing."""
    return _FAILED[reason].retry if reason in _FAILED else True
