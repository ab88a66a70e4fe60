from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("brands", "0006_lime_and_scopes")]

    operations = []
