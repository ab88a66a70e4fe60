from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("queues", "0003_flags")]

    operations = [
        migrations.AlterModelOptions(
            name="queuestanding",
            options={
                "verbose_name": "health of a queue",
                "verbose_name_plural": "health of queues",
            },
        ),
    ]
