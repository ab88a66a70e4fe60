from django.apps import AppConfig


class StationConfig(AppConfig):
    name = "apps.station"
    label = "station"
    verbose_name = "Station"

    def ready(self) -> None:
        from django.conf import settings

        from apps.queues.health.reading import register_account_source
        from apps.queues.partitions import MonthlyTable, register_monthly_table
        from apps.queues.sweeping import register_due_source
        from apps.station.outgoing import claiming, collecting
        from apps.station.queues_desk import accounts, backlogs, ownership

        register_due_source("station.webhook_events", collecting.due_collection)
        register_due_source("station.webhook_deliveries", claiming.due_deliveries)
        for table in ("station_webhookevent", "station_webhookdelivery"):
            register_monthly_table(MonthlyTable(table, settings.WEBHOOK_RETENTION_MONTHS))
        register_account_source("mail", accounts.mail_accounts)
        backlogs.register_backlogs()
        ownership.register_owners()
