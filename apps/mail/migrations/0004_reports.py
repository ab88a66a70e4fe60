"""What reports are read from (docs/adr/0013), and the indexes that lists of recipients need."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from apps.queues.partitions import ensure_partitions

# One row per click, and one per message that came back; keys and retention as for messages.
TABLES = """
CREATE TABLE mail_click (
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    link_id bigint NOT NULL,
    message_id bigint NOT NULL,
    clicked_at timestamptz NOT NULL,
    PRIMARY KEY (month, link_id, message_id, clicked_at)
) PARTITION BY RANGE (month);

CREATE TABLE mail_bounce (
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    mailing_id bigint NOT NULL,
    message_id bigint NOT NULL,
    domain varchar(255) NOT NULL,
    kind varchar(40) NOT NULL DEFAULT '',
    detail varchar(60) NOT NULL DEFAULT '',
    bounced_at timestamptz NOT NULL,
    PRIMARY KEY (month, mailing_id, message_id)
) PARTITION BY RANGE (month);
"""
DROP_TABLES = "DROP TABLE mail_click; DROP TABLE mail_bounce;"

# Neither mentions a column that settling changes, so that settling stays an update in place.
INDEXES = """
CREATE INDEX message_without_batch ON mail_message (mailing_id, id) WHERE batch_id IS NULL;
CREATE INDEX message_of_stream ON mail_message (mailing_id, id) WHERE idempotency_key IS NOT NULL;
"""
DROP_INDEXES = "DROP INDEX message_without_batch; DROP INDEX message_of_stream;"

# Statement by statement, not row by row: settling a batch of 100 writes one or two changes.
TRIGGER = """
CREATE FUNCTION mail_note_figures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mail_figurechange (mailing_id, day, kind, reason, number)
    SELECT changed.mailing_id, (figure.at AT TIME ZONE 'UTC')::date, figure.kind, figure.reason,
           sum(changed.number)
      FROM (SELECT 1 AS number, * FROM new_rows UNION ALL SELECT -1, * FROM old_rows) changed
     CROSS JOIN LATERAL (VALUES
           (CASE WHEN changed.batch_id IS NULL AND changed.state = 'skipped' THEN NULL
                 ELSE changed.settled_at END,
            changed.state::text,
            CASE WHEN changed.state = 'sent' THEN '' ELSE changed.reason END),
           (CASE WHEN changed.delivery >= 30 THEN changed.delivery_at END,
            CASE changed.delivery WHEN 35 THEN 'undelivered' WHEN 40 THEN 'bounced'
                                  ELSE 'delivered' END, ''),
           (CASE WHEN changed.delivery = 50 THEN changed.delivery_at END, 'complained', ''),
           (changed.opened_at, 'opened', ''),
           (changed.clicked_at, 'clicked', '')
           ) AS figure (at, kind, reason)
     WHERE figure.at IS NOT NULL
     GROUP BY 1, 2, 3, 4
    HAVING sum(changed.number) <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER mail_message_figures AFTER UPDATE ON mail_message
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION mail_note_figures();
"""
DROP_TRIGGER = """
DROP TRIGGER mail_message_figures ON mail_message;
DROP FUNCTION mail_note_figures();
"""

# Written and deleted all the time: vacuum must not wait for a fifth of a large table.
TUNING = """
ALTER TABLE mail_figurechange SET (autovacuum_vacuum_scale_factor = 0.0,
                                   autovacuum_vacuum_threshold = 5000);
"""


def make_partitions(_apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for table in ("mail_click", "mail_bounce"):
            ensure_partitions(table, cursor=cursor)


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0001_initial"),
        ("mail", "0003_topic_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="Bounce",
            fields=[
                ("month", models.DateField()),
                ("mailing_id", models.BigIntegerField()),
                ("message_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("domain", models.CharField(max_length=255)),
                ("kind", models.CharField(blank=True, max_length=40)),
                ("detail", models.CharField(blank=True, max_length=60)),
                ("bounced_at", models.DateTimeField()),
            ],
            options={"db_table": "mail_bounce", "managed": False},
        ),
        migrations.CreateModel(
            name="Click",
            fields=[
                ("month", models.DateField()),
                ("link_id", models.BigIntegerField()),
                ("message_id", models.BigIntegerField()),
                ("clicked_at", models.DateTimeField(primary_key=True, serialize=False)),
            ],
            options={"db_table": "mail_click", "managed": False},
        ),
        migrations.CreateModel(
            name="FigureChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("mailing_id", models.BigIntegerField()),
                ("day", models.DateField()),
                ("kind", models.CharField(max_length=12)),
                ("reason", models.CharField(max_length=60)),
                ("number", models.IntegerField()),
                (
                    "made_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DailyFigure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("unknown", "unknown"),
                            ("skipped", "skipped"),
                            ("delivered", "delivered"),
                            ("undelivered", "not delivered"),
                            ("bounced", "bounced"),
                            ("complained", "complained"),
                            ("opened", "opened"),
                            ("clicked", "clicked"),
                        ],
                        max_length=12,
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", max_length=60)),
                ("number", models.BigIntegerField()),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="brands.brand",
                    ),
                ),
                (
                    "mailing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="daily_figures",
                        to="mail.mailing",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["brand", "day"],
                        include=("mailing", "kind", "number"),
                        name="daily_figure_of_brand",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("mailing", "day", "kind", "reason"), name="daily_figure_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(max_length=500)),
                (
                    "mailing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="mail.mailing",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("mailing", "url"), name="link_once_per_mailing")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("state", "unknown")),
                fields=["settled_at"],
                name="batch_in_doubt",
            ),
        ),
        migrations.RunSQL(TUNING, migrations.RunSQL.noop),
        migrations.RunSQL(TABLES, DROP_TABLES),
        migrations.RunSQL(INDEXES, DROP_INDEXES),
        migrations.RunSQL(TRIGGER, DROP_TRIGGER),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
    ]
