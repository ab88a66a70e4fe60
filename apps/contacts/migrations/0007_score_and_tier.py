from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("contacts", "0006_pausing")]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="score",
            field=models.SmallIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="contact",
            name="tier",
            field=models.CharField(blank=True, db_default="", max_length=40),
        ),
    ]
