from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("brands", "0002_grants")]

    operations = [
        migrations.AddField(
            model_name="brand",
            name="requires_approval",
            field=models.BooleanField(
                default=False,
                db_default=False,
                help_text=(
                    "Whether a second person must approve each campaign before it is launched."
                ),
            ),
        ),
    ]
