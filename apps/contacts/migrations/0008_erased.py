from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0007_score_and_tier")]

    operations = [
        AddIndexConcurrently(
            "contact",
            models.Index(
                fields=["erased_at"], name="contact_erased", condition=Q(erased_at__isnull=False)
            ),
        ),
    ]
