from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("newsletter", "0001_joining"),
        ("contacts", "0007_score_and_tier"),
        ("mail", "0007_machines"),
    ]

    operations = []
