"""People may ask for a pause; that they did, and that they ended it, is kept with their consent."""

from django.db import migrations, models

KINDS = [
    "subscribed",
    "confirmed",
    "unsubscribed",
    "imported",
    "topic_opt_in",
    "topic_opt_out",
    "paused",
    "resumed",
]


class Migration(migrations.Migration):
    dependencies = [("contacts", "0005_audit")]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="paused_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="consentrecord",
            name="kind",
            field=models.CharField(
                choices=[
                    ("subscribed", "subscribed"),
                    ("confirmed", "confirmed by link"),
                    ("unsubscribed", "unsubscribed"),
                    ("imported", "imported from a file"),
                    ("topic_opt_in", "opted in to a topic"),
                    ("topic_opt_out", "opted out of a topic"),
                    ("paused", "asked for a pause"),
                    ("resumed", "ended the pause"),
                ],
                max_length=14,
            ),
        ),
        migrations.RemoveConstraint(model_name="consentrecord", name="consent_kind_known"),
        migrations.AddConstraint(
            model_name="consentrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=KINDS), name="consent_kind_known"
            ),
        ),
    ]
