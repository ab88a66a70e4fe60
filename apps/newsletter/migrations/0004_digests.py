from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0003_segments")]

    operations = []
