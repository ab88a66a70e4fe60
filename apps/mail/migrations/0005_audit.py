from django.db import migrations

from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [("mail", "0004_reports"), ("brands", "0004_audit")]

    operations = audit_table("mail_template", ignored=("updated_at",))
