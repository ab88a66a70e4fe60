"""How a change of a breaker is told: one log line, one counter, one gauge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from apps.queues import metrics
from apps.queues.breaking.standings import Change, Phase

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge

    from apps.queues.breaking.standings import Standing

log = structlog.get_logger(__name__)

_LEVEL = {Phase.CLOSED: 0, Phase.PROBING: 1, Phase.OPEN: 2}


@dataclass(frozen=True)
class Signals:
    """The words and figures of one kind of breaker. `subject` is the field of its log lines."""

    subject: str
    events: dict[Change, str]
    changes: Counter = field(repr=False)
    phase: Gauge = field(repr=False)

    def tell(self, change: Change, standing: Standing) -> None:
        """The first opening is an alert; a probe that failed is not news, nor is the rest."""
        is_news = change is Change.OPENED and standing.openings == 1
        write = log.error if is_news else log.info
        write(
            self.events[change],
            **{self.subject: standing.name},
            held_for_s=round(standing.held_for_s, 1),
            openings=standing.openings,
            errors_in_a_row=standing.error_run,
            shared=standing.shared,
        )
        self.changes.labels(standing.name, standing.phase).inc()
        self.show(standing)

    def show(self, standing: Standing) -> None:
        self.phase.labels(standing.name).set(_LEVEL[standing.phase])


ACCOUNT_SIGNALS = Signals(
    subject="account",
    events={
        Change.OPENED: "breaker_opened",
        Change.PROBING: "breaker_probing",
        Change.CLOSED: "breaker_closed",
        Change.RESET: "breaker_reset",
    },
    changes=metrics.BREAKER_CHANGES,
    phase=metrics.BREAKER_PHASE,
)
QUEUE_SIGNALS = Signals(
    subject="queue",
    events={
        Change.OPENED: "queue_held",
        Change.PROBING: "queue_tries_one",
        Change.CLOSED: "queue_works_again",
        Change.RESET: "queue_hold_reset",
    },
    changes=metrics.QUEUE_HOLD_CHANGES,
    phase=metrics.QUEUE_HOLD_PHASE,
)
