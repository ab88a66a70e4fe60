"""What was in somebody's hands before is found without reading the whole mailing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail", "0008_content_variables")]

    operations = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("fence__gt", 0), ("state", "planned")),
                fields=["mailing", "due_at"],
                name="batch_taken_by_mailing",
            ),
        ),
    ]
