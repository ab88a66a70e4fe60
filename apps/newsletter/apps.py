from django.apps import AppConfig


class NewsletterConfig(AppConfig):
    name = "apps.newsletter"
    label = "newsletter"
    verbose_name = "Newsletter"

    def ready(self) -> None:
        self._register_engagement()

    def _register_engagement(self) -> None:
        from django.conf import settings

        from apps.newsletter.engagement import recomputing, touched
        from apps.newsletter.pulse import letters, storing
        from apps.queues.dead_letters import register_brand_of, register_redrive
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.names import Queue
        from apps.queues.partitions import MonthlyTable, register_monthly_table
        from apps.queues.sweeping import register_due_source

        register_due_source("newsletter.pulse", storing.due_calls)
        register_due_source("newsletter.touched", touched.due_touched)
        register_due_source("newsletter.recomputing", recomputing.due_runs)
        register_backlog(Queue.PULSE, "interactions", letters.backlog)
        register_redrive(letters.SUBJECT, letters.redrive)
        register_brand_of(letters.SUBJECT, letters.brand_of)
        for table, months in (
            ("newsletter_interaction", settings.INTERACTION_RETENTION_MONTHS),
            ("newsletter_scorechange", settings.SCORE_RETENTION_MONTHS),
        ):
            register_monthly_table(MonthlyTable(table, months))
