from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sms", "0002_sent_log")]

    operations = []
