"""The names of queues and tasks. Strings on the wire: an old worker may meet a newer caller."""

from enum import StrEnum


class Queue(StrEnum):
    """One queue per latency class, each with its own worker command in `deploy/`."""

    CONTROL = "control"
    AUDIENCE = "audience"
    SINGLE_EMAIL = "single-email"
    BATCH_EMAIL = "batch-email"
    EVENTS = "events"
    MAINTENANCE = "maintenance"
    SEGMENTS = "segments"
    SMS = "sms"


class TaskName(StrEnum):
    """`app.verb_noun`, the words of the service that the task calls."""

    MAINTAIN_PARTITIONS = "queues.maintain_partitions"
    PRUNE_PERIODS = "queues.prune_periods"
    SEND_BATCHES = "mail.send_batches"
    SEND_SINGLES = "mail.send_singles"
    CLOSE_MAILINGS = "mail.close_mailings"
    APPLY_EVENTS = "mail.apply_events"
    ENFORCE_RETENTION = "mail.enforce_retention"
    PLAN_AUDIENCE = "campaigns.plan_audience"
