from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "apps.sms"
    label = "sms"
    verbose_name = "Texts"

    def ready(self) -> None:
        from functools import partial

        from django.conf import settings

        from apps.queues.dead_letters import register_redrive
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.health.from_due import backlog_from_due
        from apps.queues.names import Queue
        from apps.queues.partitions import (
            EACH_CHANGED_FILL_PERCENT,
            MonthlyTable,
            register_monthly_table,
        )
        from apps.queues.sweeping import register_due_source
        from apps.sms.callbacks import due as callbacks_due
        from apps.sms.calling import doubts, due
        from apps.sms.listing.due import due_runs

        # Its partitions are dropped by `sent_log.archiving`, once they are archived.
        register_monthly_table(
            MonthlyTable(
                "sms_senttext", retention_months=None, fill_percent=EACH_CHANGED_FILL_PERCENT
            )
        )
        register_monthly_table(
            MonthlyTable("sms_trackingevent", settings.TEXT_EVENT_RETENTION_MONTHS)
        )
        register_due_source("sms.texts", due.due_texts)
        register_due_source("sms.callbacks", callbacks_due.due_callbacks)
        register_due_source("sms.replies", callbacks_due.due_replies)
        register_due_source("sms.list_syncs", due_runs)
        register_redrive(doubts.DEAD_LETTER_SUBJECT, doubts.redrive_chunk)
        register_backlog(Queue.SMS, "texts", due.backlog)
        for queue, name, source in (
            (Queue.SMS, "answers to words", callbacks_due.due_replies),
            (Queue.EVENTS, "the text provider's callbacks", callbacks_due.due_callbacks),
            (Queue.IMPORTS, "list syncs", due_runs),
        ):
            register_backlog(queue, name, partial(backlog_from_due, source))
