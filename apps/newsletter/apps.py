from django.apps import AppConfig


class NewsletterConfig(AppConfig):
    name = "apps.newsletter"
    label = "newsletter"
    verbose_name = "Newsletter"

    def ready(self) -> None:
        from apps.contacts.traces import register_traces
        from apps.newsletter import traces

        register_traces(traces.TRACES)
        self._register_joining()
        self._register_engagement()
        self._register_segments()
        self._register_outgoing()

    def _register_joining(self) -> None:
        from functools import partial

        from apps.newsletter import caching, join_requests
        from apps.queues.dead_letters import register_brand_of, register_redrive
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.health.from_due import backlog_from_due
        from apps.queues.names import Queue
        from apps.queues.sweeping import register_due_source

        register_due_source("newsletter.joins", join_requests.due_joins)
        register_due_source("newsletter.caches", caching.due_invalidations)
        register_redrive(join_requests.SUBJECT, join_requests.redrive)
        register_redrive(caching.SUBJECT, caching.redrive)
        register_brand_of(join_requests.SUBJECT, join_requests.brand_of)
        register_brand_of(caching.SUBJECT, caching.brand_of)
        register_backlog(Queue.CONTROL, "joins", partial(backlog_from_due, join_requests.due_joins))
        register_backlog(
            Queue.EVENTS, "caches", partial(backlog_from_due, caching.due_invalidations)
        )

    def _register_engagement(self) -> None:
        from django.conf import settings

        from apps.contacts.admin.sections import register_section
        from apps.newsletter.admin import engagement_section
        from apps.newsletter.engagement import recomputing, touched
        from apps.newsletter.pulse import letters, storing
        from apps.queues.dead_letters import register_brand_of, register_redrive
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.names import Queue
        from apps.queues.partitions import MonthlyTable, register_monthly_table
        from apps.queues.sweeping import register_due_source

        register_section(engagement_section.SECTION)
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

    def _register_segments(self) -> None:
        from django.conf import settings

        from apps.newsletter.segments import claiming, settling
        from apps.queues.dead_letters import register_brand_of, register_redrive
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.names import Queue
        from apps.queues.partitions import MonthlyTable, register_monthly_table
        from apps.queues.sweeping import register_due_source

        register_due_source("newsletter.segments", claiming.due_wishes)
        register_backlog(Queue.SEGMENTS, "segment wishes", claiming.backlog)
        register_redrive(settling.DEAD_LETTER_SUBJECT, settling.redrive_wish)
        register_brand_of(settling.DEAD_LETTER_SUBJECT, settling.brand_of_wish)
        register_monthly_table(
            MonthlyTable("newsletter_segmentpass", settings.SEGMENT_PASS_RETENTION_MONTHS)
        )

    def _register_outgoing(self) -> None:
        from functools import partial

        from django.conf import settings

        from apps.newsletter.digests import composing, planning
        from apps.newsletter.sequences import waiting
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.health.from_due import backlog_from_due
        from apps.queues.names import Queue
        from apps.queues.partitions import MonthlyTable, register_monthly_table
        from apps.queues.sweeping import register_due_source

        register_due_source("newsletter.digest_issues", composing.due_issues)
        register_due_source("newsletter.digest_plans", planning.due_plans)
        register_backlog(
            Queue.MAINTENANCE, "digest issues", partial(backlog_from_due, composing.due_issues)
        )
        register_backlog(
            Queue.AUDIENCE, "digest plans", partial(backlog_from_due, planning.due_plans)
        )
        register_backlog(Queue.AUDIENCE, "sequence steps", waiting.backlog)
        register_monthly_table(MonthlyTable("newsletter_runrecord", settings.RUN_RETENTION_MONTHS))
