from django.apps import AppConfig


class QueuesConfig(AppConfig):
    name = "apps.queues"
    label = "queues"
    verbose_name = "Queues"

    def ready(self) -> None:
        from apps.queues import figures
        from apps.queues.endings import register_ending_listener
        from apps.queues.external import due_external
        from apps.queues.health.from_due import register_schedules
        from apps.queues.sweeping import register_due_source

        register_due_source("queues.external", due_external)
        register_ending_listener("figures", figures.note_ending)
        register_schedules()
