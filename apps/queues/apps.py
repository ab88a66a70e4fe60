from django.apps import AppConfig


class QueuesConfig(AppConfig):
    name = "apps.queues"
    label = "queues"
    verbose_name = "Queues"

    def ready(self) -> None:
        from apps.queues.external import due_external
        from apps.queues.sweeping import register_due_source

        register_due_source("queues.external", due_external)
