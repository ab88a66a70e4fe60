from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0006_pausing"),
        ("mail", "0006_specimens"),
        ("brands", "0006_lime_and_scopes"),
    ]

    operations = []
