from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sms", "0004_events")]

    operations = []
