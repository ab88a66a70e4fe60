"""What the lists of the desk look up by. Made while everybody goes on working."""

import django.db.models.functions.comparison
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("contacts", "0003_uploads")]

    operations = [
        AddIndexConcurrently(
            model_name="contact",
            index=models.Index(fields=["brand", "status", "id"], name="contact_brand_status"),
        ),
        AddIndexConcurrently(
            model_name="contact",
            index=models.Index(
                models.F("brand"),
                django.db.models.functions.comparison.Collate(
                    django.db.models.functions.text.Lower("first_name"), "C"
                ),
                django.db.models.functions.comparison.Collate(
                    django.db.models.functions.text.Lower("last_name"), "C"
                ),
                name="contact_first_last",
            ),
        ),
        AddIndexConcurrently(
            model_name="contact",
            index=models.Index(
                models.F("brand"),
                django.db.models.functions.comparison.Collate(
                    django.db.models.functions.text.Lower("last_name"), "C"
                ),
                django.db.models.functions.comparison.Collate(
                    django.db.models.functions.text.Lower("first_name"), "C"
                ),
                name="contact_last_first",
            ),
        ),
        AddIndexConcurrently(
            model_name="suppression",
            index=models.Index(fields=["reason", "id"], name="suppression_reason_page"),
        ),
        AddIndexConcurrently(
            model_name="suppression",
            index=models.Index(fields=["brand", "id"], name="suppression_brand_page"),
        ),
        AddIndexConcurrently(
            model_name="suppression",
            index=models.Index(
                condition=models.Q(("lifted_at__isnull", False)),
                fields=["address"],
                name="suppression_lifted_address",
            ),
        ),
        AddIndexConcurrently(
            model_name="suppression",
            index=models.Index(
                condition=models.Q(("lifted_at__isnull", False)),
                fields=["address_digest"],
                name="suppression_lifted_digest",
            ),
        ),
    ]
