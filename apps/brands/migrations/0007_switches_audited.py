from django.db import migrations

from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0006_lime_and_scopes"),
        ("waffle", "0004_update_everyone_nullbooleanfield"),
    ]

    operations = [*audit_table("waffle_switch", brand_column=None, ignored=("modified",))]
