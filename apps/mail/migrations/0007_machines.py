from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mail", "0006_specimens")]

    operations = []
