from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0005_sequences")]

    operations = [
        migrations.AlterModelOptions(
            name="segmentwish", options={"verbose_name_plural": "segment wishes"}
        ),
        migrations.AddField(
            model_name="segmentwish",
            name="delete_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What the provider knows a person by who was erased here, until they are "
                "deleted there too.",
                max_length=254,
            ),
        ),
    ]
