from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("queues", "0005_segment_flags")]

    operations = [
        migrations.AddField(
            model_name="queuestanding",
            name="told_length",
            field=models.PositiveIntegerField(null=True),
        ),
    ]
