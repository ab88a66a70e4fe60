from django.apps import AppConfig


class SmsConfig(AppConfig):
    name = "apps.sms"
    label = "sms"
    verbose_name = "Texts"

    def ready(self) -> None:
        from apps.queues.partitions import MonthlyTable, register_monthly_table

        # Its partitions are dropped by `sent_log.archiving`, once they are archived.
        register_monthly_table(MonthlyTable("sms_senttext", retention_months=None))
