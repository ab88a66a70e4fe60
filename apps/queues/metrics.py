"""The figures that this room and the calls to the outside leave for Prometheus.

| name | labels | what it counts |
|---|---|---|
| `flux_provider_call_seconds` | provider, operation | histogram: how long calls took, ended however |
| `flux_provider_calls_total` | provider, operation, outcome | calls by verdict: ok, Throttled, … |
| `flux_provider_timeouts_total` | provider, operation, kind | calls that ran out of time: connect, read, total |
| `flux_limiter_reservations_total` | rate_limit_bucket, call_class, outcome | granted, alone (granted without the broker), paced, frozen |
| `flux_limiter_freezes_total` | rate_limit_bucket | 429s and the like that froze an account |
| `flux_limiter_alone_total` | rate_limit_bucket | times that a process lost the broker and paced itself |
| `flux_breaker_changes_total` | rate_limit_bucket, phase | changes of an account's breaker into a phase |
| `flux_breaker_phase` | rate_limit_bucket | 0 closed, 1 probing, 2 open |
| `flux_queue_hold_changes_total` | queue_name, phase | the same for queues that keep failing |
| `flux_queue_hold_phase` | queue_name | 0 works, 1 tries one, 2 held |
| `flux_provider_throttles_total` | queue_name | 429s that work of the queue got |
| `flux_throttle_budgets_spent_total` | queue_name | work given up because of its 429s |

`rate_limit_bucket` is an account ("account:3"). No label ever holds a contact, an address or a key:
their number is without bound, and they are nobody's business.
"""  # noqa: E501 - a table's rows are lines

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PROVIDER_CALL_SECONDS: Final = Histogram(
    "flux_provider_call_seconds",
    "How long calls to providers took, ended however",
    ["provider", "operation"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20, 30, 45, 60),
)
PROVIDER_CALLS: Final = Counter(
    "flux_provider_calls_total",
    "Calls to providers by verdict",
    ["provider", "operation", "outcome"],
)
PROVIDER_TIMEOUTS: Final = Counter(
    "flux_provider_timeouts_total",
    "Calls to providers that ran out of time",
    ["provider", "operation", "kind"],
)
LIMITER_RESERVATIONS: Final = Counter(
    "flux_limiter_reservations_total",
    "Reservations by what came of them",
    ["rate_limit_bucket", "call_class", "outcome"],
)
LIMITER_FREEZES: Final = Counter(
    "flux_limiter_freezes_total",
    "Times that an account was frozen",
    ["rate_limit_bucket"],
)
LIMITER_ALONE: Final = Counter(
    "flux_limiter_alone_total",
    "Times that a process lost the broker and began to pace itself",
    ["rate_limit_bucket"],
)
BREAKER_CHANGES: Final = Counter(
    "flux_breaker_changes_total",
    "Changes of an account's breaker",
    ["rate_limit_bucket", "phase"],
)
BREAKER_PHASE: Final = Gauge(
    "flux_breaker_phase",
    "Breaker of an account: 0 closed, 1 probing, 2 open",
    ["rate_limit_bucket"],
    multiprocess_mode="mostrecent",
)
QUEUE_HOLD_CHANGES: Final = Counter(
    "flux_queue_hold_changes_total",
    "Changes of a queue's hold",
    ["queue_name", "phase"],
)
QUEUE_HOLD_PHASE: Final = Gauge(
    "flux_queue_hold_phase",
    "Hold of a queue: 0 works, 1 tries one, 2 held",
    ["queue_name"],
    multiprocess_mode="mostrecent",
)
PROVIDER_THROTTLES: Final = Counter(
    "flux_provider_throttles_total",
    "429s that work of a queue got",
    ["queue_name"],
)
THROTTLE_BUDGETS_SPENT: Final = Counter(
    "flux_throttle_budgets_spent_total",
    "Work given up because of its 429s",
    ["queue_name"],
)

# The transport's reasons; see `outbound.errors`.
_TIMEOUT_KINDS = {"connect_timeout": "connect", "timeout": "read", "deadline": "total"}


def count_provider_call(
    *, provider: str, operation: str, outcome: str, seconds: float, reason: str = ""
) -> None:
    """One call that has ended. `reason` is the transport's, where it failed on the way."""
    PROVIDER_CALL_SECONDS.labels(provider, operation).observe(seconds)
    PROVIDER_CALLS.labels(provider, operation, outcome).inc()
    if reason in _TIMEOUT_KINDS:
        PROVIDER_TIMEOUTS.labels(provider, operation, _TIMEOUT_KINDS[reason]).inc()
