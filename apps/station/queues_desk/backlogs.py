"""What waits in the queues of all rooms: a statement each, on the indexes that work is claimed by.

Rows that are due and may be worked now; what a pause, a stop or a later try holds back is not.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from apps.campaigns.dry_running import due_dry_runs
from apps.campaigns.planning import due_audiences
from apps.campaigns.scheduling import due_starts
from apps.mail.due import due_closings, due_figures
from apps.queues.external import due_external
from apps.queues.health.backlogs import COUNTED_AT_MOST, ask_backlog, register_backlog
from apps.queues.health.from_due import backlog_from_due
from apps.queues.names import Queue
from apps.station.outgoing.collecting import due_collection

if TYPE_CHECKING:
    from collections.abc import Mapping

_BATCHES = f"""
SELECT count(*) FILTER (WHERE is_due), min(due_at) FILTER (WHERE is_due),
       count(*) FILTER (WHERE NOT is_due)
  FROM (
    SELECT due_at, due_at <= statement_timestamp() AS is_due
      FROM mail_batch WHERE state = 'calling' AND mailing_id IS NOT NULL
    UNION ALL
    (SELECT planned.due_at, true
       FROM mail_mailing mailing
       JOIN brands_provideraccount account
         ON account.id = mailing.account_id AND account.stopped_at IS NULL
      CROSS JOIN LATERAL (
            SELECT due_at FROM mail_batch
             WHERE mailing_id = mailing.id AND state = 'planned'
               AND due_at <= statement_timestamp()
             ORDER BY due_at LIMIT {COUNTED_AT_MOST}) planned
      WHERE mailing.state = 'running' AND mailing.kind = 'bulk'
      LIMIT {COUNTED_AT_MOST})
  ) waiting
"""

# Those that wait for a batch, and those whose batch waits or is under way.
_SINGLES = f"""
SELECT coalesce(sum(mails) FILTER (WHERE is_due), 0), min(due_at) FILTER (WHERE is_due),
       coalesce(sum(mails) FILTER (WHERE NOT is_due), 0)
  FROM (
    SELECT due_at, size AS mails, due_at <= statement_timestamp() AS is_due
      FROM mail_batch
     WHERE mailing_id IS NULL
       AND (state = 'calling' OR (state = 'planned' AND due_at <= statement_timestamp()))
    UNION ALL
    (SELECT message.due_at, 1, true
       FROM mail_message message
       JOIN mail_mailing mailing ON mailing.id = message.mailing_id AND mailing.state = 'running'
       JOIN brands_provideraccount account
         ON account.id = mailing.account_id AND account.stopped_at IS NULL
      WHERE message.due_at <= statement_timestamp() LIMIT {COUNTED_AT_MOST})
  ) waiting
"""

# The look at the oldest is one of its own: the index is by id, and the smallest came first.
_EVENTS = f"""
SELECT (SELECT count(*) FROM (SELECT 1 FROM mail_deliveryevent
                               WHERE applied_at IS NULL LIMIT {COUNTED_AT_MOST}) waiting),
       (SELECT received_at FROM mail_deliveryevent
         WHERE applied_at IS NULL ORDER BY id LIMIT 1),
       0
"""

_UPLOADS = f"""
SELECT count(*) FILTER (WHERE run_after <= statement_timestamp()),
       min(run_after) FILTER (WHERE run_after <= statement_timestamp()),
       count(*) FILTER (WHERE run_after > statement_timestamp())
  FROM (SELECT run_after FROM contacts_fileupload
         WHERE state IN ('previewing', 'importing') LIMIT {COUNTED_AT_MOST}) under_way
"""

_WEBHOOKS = f"""
SELECT count(*) FILTER (WHERE is_due), min(due_at) FILTER (WHERE is_due),
       count(*) FILTER (WHERE NOT is_due AND state = 'calling')
  FROM (SELECT delivery.due_at, delivery.state,
               delivery.due_at <= statement_timestamp() AS is_due
          FROM station_webhookendpoint endpoint
          JOIN station_webhookdelivery delivery
            ON delivery.endpoint_id = endpoint.id AND delivery.state IN ('pending', 'calling')
         WHERE endpoint.disabled_at IS NULL
           AND (endpoint.held_until IS NULL OR endpoint.held_until <= statement_timestamp())
         LIMIT {COUNTED_AT_MOST}) open
"""

STATEMENTS: Mapping[tuple[Queue, str], str] = {
    (Queue.BATCH_EMAIL, "batches of campaigns"): _BATCHES,
    (Queue.SINGLE_EMAIL, "single mails"): _SINGLES,
    (Queue.EVENTS, "delivery events"): _EVENTS,
    (Queue.IMPORTS, "uploads"): _UPLOADS,
    (Queue.WEBHOOKS, "webhooks"): _WEBHOOKS,
}


def register_backlogs() -> None:
    """All of them, from `StationConfig.ready`."""
    for (queue, name), statement in STATEMENTS.items():
        register_backlog(queue, name, partial(ask_backlog, statement))
    for queue, name, due in (
        (Queue.EVENTS, "figures of mails", due_figures),
        (Queue.EVENTS, "events for webhooks", due_collection),
        (Queue.CONTROL, "finished mailings", due_closings),
        (Queue.CONTROL, "scheduled campaigns", due_starts),
        (Queue.CONTROL, "dry runs", due_dry_runs),
        (Queue.AUDIENCE, "audiences", due_audiences),
        (Queue.EXTERNAL, "queues of other systems", due_external),
    ):
        register_backlog(queue, name, partial(backlog_from_due, due))
