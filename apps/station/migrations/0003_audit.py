from django.db import migrations

from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0004_audit"),
        ("station", "0002_growing_tables"),
    ]

    operations = audit_table(
        "station_webhookendpoint",
        hidden=("secret", "previous_secret"),
        ignored=("failures", "failing_since", "held_until", "last_success_at"),
    )
