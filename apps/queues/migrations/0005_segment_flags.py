from django.conf import settings
from django.db import migrations

QUEUE_NOTE = "Off: segments go the old way, a loop of list, remove and add per contact."
SET_NOTE = "On: one call sets all segments of a contact, once the provider has that call."


def make_flags(apps, _schema_editor):
    switches = apps.get_model("waffle", "Switch").objects
    for name, active, note in (
        # In production only once the soak has passed there.
        ("resend.segment_queue.enabled", settings.ENVIRONMENT != "production", QUEUE_NOTE),
        ("RESEND_SEGMENT_SET_ENABLED", False, SET_NOTE),
    ):
        switches.get_or_create(name=name, defaults={"active": active, "note": note})


class Migration(migrations.Migration):
    dependencies = [("queues", "0004_names_in_admin")]

    operations = [migrations.RunPython(make_flags, migrations.RunPython.noop)]
