from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "apps.mail"
    label = "mail"
    verbose_name = "Mail"

    def ready(self) -> None:
        from django.conf import settings

        from apps.contacts.admin.sections import register_section
        from apps.contacts.traces import register_traces
        from apps.mail import due, outcomes, redriving, traces
        from apps.mail.admin import persons
        from apps.queues.dead_letters import register_redrive
        from apps.queues.partitions import (
            EACH_CHANGED_FILL_PERCENT,
            MonthlyTable,
            register_monthly_table,
        )
        from apps.queues.sweeping import register_due_source

        register_section(persons.SECTION)
        register_traces(traces.TRACES)
        register_due_source("mail.batches", due.due_batches)
        register_due_source("mail.singles", due.due_singles)
        register_due_source("mail.closings", due.due_closings)
        register_due_source("mail.events", due.due_events)
        register_due_source("mail.figures", due.due_figures)
        register_redrive(outcomes.DEAD_LETTER_SUBJECT, redriving.redrive_batch)
        register_redrive(redriving.EVENT_SUBJECT, redriving.redrive_event)
        register_monthly_table(
            MonthlyTable(
                "mail_message",
                settings.MESSAGE_RETENTION_MONTHS,
                fill_percent=EACH_CHANGED_FILL_PERCENT,
            )
        )
        register_monthly_table(MonthlyTable("mail_click", settings.MESSAGE_RETENTION_MONTHS))
        register_monthly_table(MonthlyTable("mail_open", settings.MESSAGE_RETENTION_MONTHS))
        register_monthly_table(MonthlyTable("mail_bounce", settings.MESSAGE_RETENTION_MONTHS))
        register_monthly_table(MonthlyTable("mail_deliveryevent", settings.EVENT_RETENTION_MONTHS))
