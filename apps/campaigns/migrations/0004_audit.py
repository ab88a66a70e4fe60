from django.db import migrations

from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0003_desk"), ("brands", "0004_audit")]

    operations = [
        *audit_table("campaigns_campaign", ignored=("start_tried_at",)),
    ]
