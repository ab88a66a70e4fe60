"""The names of queues and tasks. Strings on the wire: an old worker may meet a newer caller."""

from enum import StrEnum


class Queue(StrEnum):
    """One queue per latency class, each with its own worker command in `deploy/`."""

    CONTROL = "control"
    AUDIENCE = "audience"
    SINGLE_EMAIL = "single-email"
    BATCH_EMAIL = "batch-email"
    EVENTS = "events"
    IMPORTS = "imports"
    MAINTENANCE = "maintenance"
    SEGMENTS = "segments"
    SMS = "sms"
    WEBHOOKS = "webhooks"
    PULSE = "pulse"
    EXTERNAL = "external"


class TaskName(StrEnum):
    """`app.verb_noun`, the words of the service that the task calls."""

    MAINTAIN_PARTITIONS = "queues.maintain_partitions"
    PRUNE_PERIODS = "queues.prune_periods"
    PRUNE_ANSWERS = "brands.prune_answers"
    WORK_EXTERNAL = "queues.work_external"
    REDRIVE_LETTERS = "queues.redrive_letters"
    SEND_BATCHES = "mail.send_batches"
    SEND_SINGLES = "mail.send_singles"
    CLOSE_MAILINGS = "mail.close_mailings"
    APPLY_EVENTS = "mail.apply_events"
    STORE_INTERACTIONS = "newsletter.store_interactions"
    RESCORE_TOUCHED = "newsletter.rescore_touched"
    RECOMPUTE_ENGAGEMENT = "newsletter.recompute_engagement"
    START_RECOMPUTING = "newsletter.start_recomputing"
    FOLD_FIGURES = "mail.fold_figures"
    ENFORCE_RETENTION = "mail.enforce_retention"
    ADVANCE_UPLOAD = "contacts.advance_upload"
    PRUNE_UPLOADS = "contacts.prune_uploads"
    COLLECT_WEBHOOKS = "station.collect_webhooks"
    SEND_WEBHOOKS = "station.send_webhooks"
    PLAN_AUDIENCE = "campaigns.plan_audience"
    START_SCHEDULED = "campaigns.start_scheduled"
    RUN_DRY = "campaigns.run_dry"
    SEND_TEXTS = "sms.send_texts"
    DELETE_DRY_RUNS = "campaigns.delete_dry_runs"
    WORK_JOINS = "newsletter.work_joins"
    INVALIDATE_CACHES = "newsletter.invalidate_caches"
    PRUNE_JOINING = "newsletter.prune_joining"
    ADVANCE_SEQUENCES = "newsletter.advance_sequences"
    REVIEW_SEQUENCES = "newsletter.review_sequences"
