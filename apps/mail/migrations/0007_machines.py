"""Opens and clicks of machines, kept apart from those of people (docs/adr/0019)."""

from django.db import migrations, models

from apps.queues.partitions import ensure_partitions

# One row per open, as there is one per click: what an open was can turn out later, when the
# delivery is told, and which one was the first of a person then has to be looked up again.
TABLES = """
CREATE TABLE mail_open (
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    message_id bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    haste real NOT NULL,
    machine varchar(60) NOT NULL DEFAULT '',
    PRIMARY KEY (month, message_id, opened_at)
) PARTITION BY RANGE (month);

SET LOCAL lock_timeout = '5s';
ALTER TABLE mail_click ADD COLUMN haste real NOT NULL DEFAULT 2,
                       ADD COLUMN machine varchar(60) NOT NULL DEFAULT '';
ALTER TABLE mail_message ADD COLUMN delivered_at timestamptz,
                         ADD COLUMN machine_opened_at timestamptz,
                         ADD COLUMN machine_clicked_at timestamptz;
CREATE INDEX click_of_message ON mail_click (message_id, clicked_at);
"""
DROP_TABLES = """
DROP INDEX click_of_message;
ALTER TABLE mail_message DROP COLUMN delivered_at, DROP COLUMN machine_opened_at,
                         DROP COLUMN machine_clicked_at;
ALTER TABLE mail_click DROP COLUMN haste, DROP COLUMN machine;
DROP TABLE mail_open;
"""

# What was told before this table was there.
KNOWN_OPENS = """
INSERT INTO mail_open (month, message_id, opened_at, haste)
SELECT month, id, opened_at, 2 FROM mail_message WHERE opened_at IS NOT NULL;
UPDATE mail_message SET delivered_at = delivery_at WHERE delivery = 30;
"""

TRIGGER = """
CREATE OR REPLACE FUNCTION mail_note_figures() RETURNS trigger LANGUAGE plpgsql AS $$
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
           (changed.clicked_at, 'clicked', ''){machines}
           ) AS figure (at, kind, reason)
     WHERE figure.at IS NOT NULL
     GROUP BY 1, 2, 3, 4
    HAVING sum(changed.number) <> 0;
    RETURN NULL;
END $$;
"""
MACHINES = """,
           (changed.machine_opened_at, 'auto_opened', ''),
           (changed.machine_clicked_at, 'auto_clicked', '')"""

# Kind, pattern, within how many seconds of the delivery (null: always), whose it is, source.
_SOCKETLABS = (
    "https://help.socketlabs.com/docs/identifying-apple-mpp-opens-in-notification-api-events"
)
_GMAIL = "https://support.google.com/mail/answer/145919"
_EXCHANGE = "https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges"
_ALWAYS = None
RULES = (
    ("agent_is", "Mozilla/5.0", _ALWAYS, "Apple Mail Privacy Protection", _SOCKETLABS),
    ("network", "17.0.0.0/8", _ALWAYS, "Apple", "https://support.apple.com/101555"),
    ("agent_has", "Edge/12.246 Mozilla/5.0", _ALWAYS, "Gmail, fetching ahead", _GMAIL),
    # A person is behind these as a rule: the image is fetched when the mail is looked at.
    ("agent_has", "GoogleImageProxy", 10, "Gmail's image proxy", _GMAIL),
    ("agent_has", "YahooMailProxy", 10, "Yahoo's image proxy", "https://senders.yahooinc.com"),
    ("agent_has", "barracuda", _ALWAYS, "Barracuda", "https://campus.barracuda.com"),
    ("network", "209.222.80.0/21", _ALWAYS, "Barracuda", "https://campus.barracuda.com"),
    ("network", "64.235.144.0/20", _ALWAYS, "Barracuda", "https://campus.barracuda.com"),
    ("agent_has", "proofpoint", _ALWAYS, "Proofpoint", "https://help.proofpoint.com"),
    ("network", "67.231.144.0/20", _ALWAYS, "Proofpoint", "https://help.proofpoint.com"),
    ("network", "148.163.128.0/19", _ALWAYS, "Proofpoint", "https://help.proofpoint.com"),
    ("agent_has", "mimecast", _ALWAYS, "Mimecast", "https://community.mimecast.com"),
    ("agent_has", "symantec", _ALWAYS, "Symantec", "https://techdocs.broadcom.com"),
    ("agent_has", "trendmicro", _ALWAYS, "Trend Micro", "https://docs.trendmicro.com"),
    ("agent_has", "forcepoint", _ALWAYS, "Forcepoint", "https://help.forcepoint.com"),
    ("network", "40.92.0.0/15", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("network", "40.107.0.0/16", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("network", "52.100.0.0/14", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("network", "104.47.0.0/17", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("network", "2a01:111:f400::/48", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("network", "2a01:111:f403::/48", _ALWAYS, "Exchange Online Protection", _EXCHANGE),
    ("agent_has", "HeadlessChrome", _ALWAYS, "a browser without a window", ""),
    ("agent_has", "python-requests", _ALWAYS, "a program", ""),
    ("agent_has", "Go-http-client", _ALWAYS, "a program", ""),
    ("agent_has", "curl/", _ALWAYS, "a program", ""),
    ("agent_has", "Slackbot", _ALWAYS, "Slack's preview", "https://api.slack.com/robots"),
    ("agent_has", "facebookexternalhit", _ALWAYS, "Facebook's preview",
     "https://developers.facebook.com/docs/sharing/webmasters/web-crawlers"),
    ("agent_has", "Googlebot", _ALWAYS, "Google's crawler",
     "https://developers.google.com/search/docs/crawling-indexing/googlebot"),
    ("agent_has", "BingPreview", _ALWAYS, "Bing's preview", "https://www.bing.com/webmasters"),
)  # fmt: skip


def make_partitions(_apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        ensure_partitions("mail_open", cursor=cursor)
        # Partitions of messages may reach further than those made now.
        cursor.execute(
            "SELECT DISTINCT month FROM mail_message WHERE opened_at IS NOT NULL ORDER BY 1"
        )
        for (month,) in cursor.fetchall():
            ensure_partitions("mail_open", around=month, cursor=cursor)


def add_rules(apps, _schema_editor):
    rules = apps.get_model("mail", "MachineRule").objects
    for kind, pattern, within, name, source in RULES:
        rules.create(kind=kind, pattern=pattern, within_seconds=within, name=name, source=source)


class Migration(migrations.Migration):
    dependencies = [("mail", "0006_specimens")]

    operations = [
        migrations.CreateModel(
            name="MachineRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("agent_is", "the user agent is exactly"),
                            ("agent_has", "the user agent contains"),
                            ("network", "the address lies in"),
                        ],
                        max_length=10,
                    ),
                ),
                ("pattern", models.CharField(max_length=200)),
                ("name", models.CharField(max_length=60)),
                ("within_seconds", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("source", models.CharField(blank=True, db_default="", max_length=200)),
                ("enabled", models.BooleanField(db_default=True, default=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "pattern"), name="machine_rule_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Open",
            fields=[
                ("month", models.DateField()),
                ("message_id", models.BigIntegerField()),
                ("opened_at", models.DateTimeField(primary_key=True, serialize=False)),
                ("haste", models.FloatField()),
                ("machine", models.CharField(blank=True, max_length=60)),
            ],
            options={"db_table": "mail_open", "managed": False},
        ),
        migrations.AlterField(
            model_name="dailyfigure",
            name="kind",
            field=models.CharField(
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
                    ("auto_opened", "opened by machines"),
                    ("auto_clicked", "clicked by machines"),
                ],
                max_length=12,
            ),
        ),
        migrations.RunSQL(TABLES, DROP_TABLES),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
        migrations.RunSQL(KNOWN_OPENS, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGER.format(machines=MACHINES), TRIGGER.format(machines="")),
        migrations.RunPython(add_rules, migrations.RunPython.noop),
    ]
