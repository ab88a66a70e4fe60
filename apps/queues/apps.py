from django.apps import AppConfig


class QueuesConfig(AppConfig):
    name = "apps.queues"
    label = "queues"
    verbose_name = "Queues"

    def ready(self) -> None:
        from functools import partial

        from apps.queues import figures
        from apps.queues.bulk_redriving import due_bulks
        from apps.queues.endings import register_ending_listener
        from apps.queues.external import due_external
        from apps.queues.health.backlogs import register_backlog
        from apps.queues.health.from_due import backlog_from_due, register_schedules
        from apps.queues.names import Queue
        from apps.queues.sweeping import register_due_source

        register_due_source("queues.external", due_external)
        register_due_source("queues.redrives", due_bulks)
        register_backlog(Queue.CONTROL, "bulk redrives", partial(backlog_from_due, due_bulks))
        register_ending_listener("figures", figures.note_ending)
        register_schedules()
