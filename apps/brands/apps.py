from django.apps import AppConfig


class BrandsConfig(AppConfig):
    name = "apps.brands"
    label = "brands"
    verbose_name = "Brands"

    def ready(self) -> None:
        from celery.signals import task_prerun
        from django.conf import settings
        from django.db.backends.signals import connection_created

        from apps.brands import acting
        from apps.queues.partitions import MonthlyTable, register_monthly_table

        connection_created.connect(acting.introduce, dispatch_uid="brands.acting")
        task_prerun.connect(acting.act_as_task, dispatch_uid="brands.acting")
        register_monthly_table(MonthlyTable("brands_auditentry", settings.AUDIT_RETENTION_MONTHS))
