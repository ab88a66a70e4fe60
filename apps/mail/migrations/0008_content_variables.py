from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("mail", "0007_machines")]

    operations = [
        migrations.AddField(
            model_name="content",
            name="variables",
            field=models.JSONField(
                blank=True,
                db_default=Value({}, output_field=models.JSONField()),
                default=dict,
            ),
        ),
    ]
