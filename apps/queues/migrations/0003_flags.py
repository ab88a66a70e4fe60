from django.db import migrations

# As they were when this was written; later flags come with migrations of their own.
FLAGS = {
    "circuit-breaker": "Off: calls to providers go on, whatever their breakers say. The limiter and retries still hold.",
    "queue-holds": "Off: a queue whose tasks keep failing is not held; each task uses its attempts.",
    "drain-without-broker": "Off: while the broker is dead nothing is worked off straight from PostgreSQL; work waits for the broker.",
    "process-queues": "Off: POST /api/process-queues answers 409 and works nothing.",
    "watermark-alerts": "Off: watermarks raise and clear no alerts. Health is still told.",
}


def make_flags(apps, _schema_editor):
    switches = apps.get_model("waffle", "Switch").objects
    for name, note in FLAGS.items():
        switches.get_or_create(name=name, defaults={"active": True, "note": note})


class Migration(migrations.Migration):
    dependencies = [
        ("queues", "0002_health"),
        ("waffle", "0004_update_everyone_nullbooleanfield"),
    ]

    operations = [migrations.RunPython(make_flags, migrations.RunPython.noop)]
