from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "apps.campaigns"
    label = "campaigns"
    verbose_name = "Campaigns"

    def ready(self) -> None:
        from apps.brands.accounts import register_waiting_source
        from apps.campaigns import controlling, dry_running, planning, scheduling
        from apps.queues.sweeping import register_due_source

        register_due_source("campaigns.audiences", planning.due_audiences)
        register_due_source("campaigns.starts", scheduling.due_starts)
        register_due_source("campaigns.dry_runs", dry_running.due_dry_runs)
        register_waiting_source("campaigns", controlling.paused_by_account)
