"""What sending looks up in chunks: those that ended a moment ago."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sms", "0002_sent_log")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX text_chunk_done_at ON sms_textchunk (done_at) WHERE state = 'done'",
            "DROP INDEX text_chunk_done_at",
        ),
    ]
