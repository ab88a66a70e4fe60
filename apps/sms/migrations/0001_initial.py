"""Subscribers, what brands may send them, settings, campaigns; with the words and laws to begin with.

The sent log's table follows in 0002; its model is here, for others to point to.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models

import apps.brands.models.brand
from apps.brands.audit import audit_table

# A message is its campaign's brand's: the database holds the two together.
SAME_BRAND = """
ALTER TABLE sms_textcampaign ADD CONSTRAINT text_campaign_with_brand UNIQUE (id, brand_id);
ALTER TABLE sms_textmessage ADD CONSTRAINT text_message_of_campaign_of_brand
    FOREIGN KEY (campaign_id, brand_id) REFERENCES sms_textcampaign (id, brand_id);
"""
DIFFERENT_BRAND = """
ALTER TABLE sms_textmessage DROP CONSTRAINT text_message_of_campaign_of_brand;
ALTER TABLE sms_textcampaign DROP CONSTRAINT text_campaign_with_brand;
"""

# Clicks and syncs change subscribers often: room for that on the same page.
TUNING = """
ALTER TABLE sms_subscriber SET (fillfactor = 85);
ALTER TABLE sms_subscription SET (fillfactor = 85);
"""

# Sending is off until somebody has looked at the settings.
SEEDS = """
INSERT INTO sms_textconfig (brand_id, sending) VALUES (NULL, false);

INSERT INTO sms_statehours (state, hours_from, hours_until, max_per_24h)
VALUES ('FL', '08:00', '20:00', 3), ('MD', '08:00', '20:00', 3), ('NJ', '08:00', '20:00', 3),
       ('OK', '08:00', '20:00', 3),
       ('', '09:00', '20:00', 3);  -- not known: it may be any of them

INSERT INTO sms_keyword (word, kind, reply)
SELECT unnest(ARRAY['stop', 'stopall', 'quit', 'end', 'revoke', 'opt out', 'cancel',
                    'unsubscribe']),
       'stop', 'You are unsubscribed and will get no more messages. Reply HELP for help.'
UNION ALL
SELECT unnest(ARRAY['help', 'info']),
       'help', 'Message and data rates may apply. Reply STOP to get no more messages.';
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [("brands", "0006_lime_and_scopes")]

    operations = [
        migrations.CreateModel(
            name="SentText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("local_day", models.DateField()),
                ("phone", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reserved", "reserved"),
                            ("calling", "calling"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("unknown", "unknown"),
                            ("skipped", "skipped"),
                            ("expired", "expired"),
                        ],
                        default="reserved",
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=60)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("segments", models.PositiveSmallIntegerField(null=True)),
                ("fence", models.IntegerField(db_default=0)),
                (
                    "reserved_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("until_at", models.DateTimeField()),
                ("calling_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "counts",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Q(
                            ("state__in", ("reserved", "calling", "sent", "unknown"))
                        ),
                        output_field=models.BooleanField(),
                    ),
                ),
            ],
            options={
                "db_table": "sms_senttext",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="StateHours",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(blank=True, db_collation="C", max_length=2, unique=True),
                ),
                ("hours_from", models.TimeField(blank=True, null=True)),
                ("hours_until", models.TimeField(blank=True, null=True)),
                (
                    "max_per_24h",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Texts of all brands to one person; empty: no rule.",
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "state hours",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", ""), ("state__regex", "^[A-Z]{2}$"), _connector="OR"
                        ),
                        name="state_hours_state_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("hours_from__isnull", True), ("hours_until__isnull", True)),
                            ("hours_from__lt", models.F("hours_until")),
                            _connector="OR",
                        ),
                        name="state_hours_in_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscriber",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("phone", models.CharField(db_collation="C", max_length=16)),
                ("name", models.CharField(blank=True, db_default="", max_length=200)),
                ("first_name", models.CharField(blank=True, db_default="", max_length=100)),
                ("last_name", models.CharField(blank=True, db_default="", max_length=100)),
                (
                    "email",
                    models.CharField(
                        blank=True,
                        db_collation="C",
                        help_text="In lower case.",
                        max_length=320,
                        null=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("ACTIVE", "active"), ("OPTOUT", "opted out")],
                        db_default="ACTIVE",
                        default="ACTIVE",
                        max_length=6,
                    ),
                ),
                ("opted_in_at", models.DateTimeField(blank=True, null=True)),
                ("opt_in_source", models.CharField(blank=True, db_default="", max_length=100)),
                ("opt_in_proof", models.CharField(blank=True, db_default="", max_length=500)),
                ("opted_out_at", models.DateTimeField(blank=True, null=True)),
                (
                    "verified_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="The last list sync that saw the number on a list.",
                        null=True,
                    ),
                ),
                (
                    "timezone",
                    models.CharField(blank=True, db_collation="C", db_default="", max_length=200),
                ),
                (
                    "state",
                    models.CharField(
                        blank=True,
                        db_collation="C",
                        db_default="",
                        help_text="Of the US.",
                        max_length=2,
                    ),
                ),
                (
                    "zone_source",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("given", "given by a caller"),
                            ("number", "from the number"),
                            ("brand", "the brand's default"),
                        ],
                        db_default="",
                        max_length=6,
                    ),
                ),
                ("has_clicked", models.BooleanField(db_default=False, default=False)),
                ("has_purchased", models.BooleanField(db_default=False, default=False)),
                ("first_click_at", models.DateTimeField(blank=True, null=True)),
                ("first_purchase_at", models.DateTimeField(blank=True, null=True)),
                ("last_purchase_at", models.DateTimeField(blank=True, null=True)),
                ("last_engagement", models.DateTimeField(blank=True, null=True)),
                ("baseline_clicks", models.PositiveIntegerField(db_default=0, default=0)),
                ("baseline_purchases", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "baseline_revenue",
                    models.DecimalField(db_default=0, decimal_places=2, default=0, max_digits=14),
                ),
                ("total_clicks", models.PositiveIntegerField(db_default=0, default=0)),
                ("total_purchases", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "total_revenue",
                    models.DecimalField(db_default=0, decimal_places=2, default=0, max_digits=14),
                ),
                ("acq_source", models.CharField(blank=True, db_default="", max_length=200)),
                ("acq_campaign", models.CharField(blank=True, db_default="", max_length=200)),
                ("acq_medium", models.CharField(blank=True, db_default="", max_length=200)),
                ("acq_term", models.CharField(blank=True, db_default="", max_length=200)),
                ("acq_content", models.CharField(blank=True, db_default="", max_length=200)),
                (
                    "first_touch",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, output_field=models.JSONField()),
                        default=dict,
                    ),
                ),
                (
                    "last_touch",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, output_field=models.JSONField()),
                        default=dict,
                    ),
                ),
                ("form_title", models.CharField(blank=True, db_default="", max_length=200)),
                (
                    "traits",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, output_field=models.JSONField()),
                        default=dict,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("email__isnull", False)),
                        fields=["email"],
                        name="subscriber_by_email",
                    ),
                    models.Index(
                        fields=["status", "timezone", "state"], name="subscriber_by_status_and_zone"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("phone",), name="subscriber_phone_once"),
                    models.CheckConstraint(
                        condition=models.Q(("phone__regex", "^\\+[1-9][0-9]{6,14}$")),
                        name="subscriber_phone_is_e164",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["ACTIVE", "OPTOUT"])),
                        name="subscriber_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", ""), ("state__regex", "^[A-Z]{2}$"), _connector="OR"
                        ),
                        name="subscriber_state_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("email__isnull", True),
                            models.Q(
                                ("email", django.db.models.functions.text.Lower(models.F("email"))),
                                models.Q(("email", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="subscriber_email_in_lower_case",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TextCampaign",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("ended", "ended"),
                        ],
                        db_default="draft",
                        default="draft",
                        max_length=7,
                    ),
                ),
                (
                    "weekly_cap",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="To one person in seven days; empty: no cap.",
                        null=True,
                    ),
                ),
                (
                    "total_cap",
                    models.PositiveIntegerField(
                        blank=True, help_text="To everybody together; empty: no cap.", null=True
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="text_campaigns",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("brand", "name"), name="text_campaign_once"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["draft", "running", "paused", "ended"])),
                        name="text_campaign_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__isnull", True),
                            ("ends_at__isnull", True),
                            ("starts_at__lt", models.F("ends_at")),
                            _connector="OR",
                        ),
                        name="text_campaign_ends_after_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TextChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("local_day", models.DateField()),
                ("size", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "waiting"), ("working", "working"), ("done", "done")],
                        db_default="waiting",
                        default="waiting",
                        max_length=7,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("fence", models.IntegerField(db_default=0)),
                ("attempts", models.PositiveIntegerField(db_default=0)),
                ("throttles", models.PositiveIntegerField(db_default=0)),
                ("last_error", models.CharField(db_default="", max_length=300)),
                ("correlation_id", models.CharField(db_default="", max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="text_chunks",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "done"), _negated=True),
                        fields=["brand", "due_at", "id"],
                        name="text_chunk_open",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "working", "done"])),
                        name="text_chunk_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("done_at__isnull", False), ("state", "done")),
                            models.Q(
                                models.Q(("state", "done"), _negated=True),
                                ("done_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="text_chunk_done_both_or_neither",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TextConfig",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sending",
                    models.BooleanField(
                        blank=True, help_text="Off: no new text is begun.", null=True
                    ),
                ),
                (
                    "dry_run",
                    models.BooleanField(
                        blank=True,
                        help_text="On: texts are chosen and counted, none is sent.",
                        null=True,
                    ),
                ),
                ("shortcode", models.CharField(blank=True, db_default="", max_length=20)),
                (
                    "daily_limit",
                    models.IntegerField(
                        blank=True,
                        help_text="Texts per person and day, of all brands together.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "gap_minutes",
                    models.IntegerField(
                        blank=True,
                        help_text="Least time between two texts to a person.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(1440),
                        ],
                    ),
                ),
                (
                    "global_daily_cap",
                    models.IntegerField(
                        blank=True,
                        help_text="Texts per day; empty: no cap.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100000000),
                        ],
                    ),
                ),
                (
                    "engagement_days",
                    models.IntegerField(
                        blank=True,
                        help_text="Who joined or did anything so many days ago at most; 0: everybody.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(3650),
                        ],
                    ),
                ),
                (
                    "verify_max_age_hours",
                    models.IntegerField(
                        blank=True,
                        help_text="A list sync must have seen the opt-in so lately; 0: need not.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(8760),
                        ],
                    ),
                ),
                (
                    "check_per_number",
                    models.BooleanField(
                        blank=True,
                        help_text="Ask the provider about each number: doubles the calls.",
                        null=True,
                    ),
                ),
                (
                    "hours_from",
                    models.TimeField(blank=True, help_text="The person's local time.", null=True),
                ),
                (
                    "hours_until",
                    models.TimeField(blank=True, help_text="The last moment excluded.", null=True),
                ),
                (
                    "default_zone",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Where a number tells no zone; given once, when the number is added.",
                        max_length=64,
                        validators=[apps.brands.models.brand.check_timezone],
                    ),
                ),
                (
                    "eastern_western_intersection",
                    models.BooleanField(
                        blank=True,
                        help_text="Where a number tells no zone: only hours allowed in New York and Los Angeles.",
                        null=True,
                    ),
                ),
                (
                    "run_limit",
                    models.IntegerField(
                        blank=True,
                        help_text="Texts chosen in one minute at most.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(200000),
                        ],
                    ),
                ),
                (
                    "chunk_size",
                    models.IntegerField(
                        blank=True,
                        help_text="Texts that a worker takes at once.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                    ),
                ),
                (
                    "transport",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("single", "one request per text"),
                            ("bulk", "many texts per request"),
                        ],
                        db_default="",
                        max_length=6,
                    ),
                ),
                (
                    "texts_per_call",
                    models.IntegerField(
                        blank=True,
                        help_text="For the bulk transport.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                    ),
                ),
                (
                    "in_flight",
                    models.IntegerField(
                        blank=True,
                        help_text="Requests open at once, of all workers of the account.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(5000),
                        ],
                    ),
                ),
                (
                    "spacing_ms",
                    models.IntegerField(
                        blank=True,
                        help_text="Between two requests of the account.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(60000),
                        ],
                    ),
                ),
                (
                    "requests_per_minute",
                    models.IntegerField(
                        blank=True,
                        help_text="Of the account.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="brands.provideraccount",
                    ),
                ),
                (
                    "brand",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="text_config",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("brand",), name="text_config_once_per_brand", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("transport__in", ["", "single", "bulk"])),
                        name="text_config_transport_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hours_from__isnull", True),
                            ("hours_until__isnull", True),
                            ("hours_from__lt", models.F("hours_until")),
                            _connector="OR",
                        ),
                        name="text_config_hours_in_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("daily_limit__isnull", True),
                            models.Q(("daily_limit__gte", 0), ("daily_limit__lte", 100)),
                            _connector="OR",
                        ),
                        name="text_config_daily_limit_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("gap_minutes__isnull", True),
                            models.Q(("gap_minutes__gte", 0), ("gap_minutes__lte", 1440)),
                            _connector="OR",
                        ),
                        name="text_config_gap_minutes_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("global_daily_cap__isnull", True),
                            models.Q(
                                ("global_daily_cap__gte", 0), ("global_daily_cap__lte", 100000000)
                            ),
                            _connector="OR",
                        ),
                        name="text_config_global_daily_cap_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("engagement_days__isnull", True),
                            models.Q(("engagement_days__gte", 0), ("engagement_days__lte", 3650)),
                            _connector="OR",
                        ),
                        name="text_config_engagement_days_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("verify_max_age_hours__isnull", True),
                            models.Q(
                                ("verify_max_age_hours__gte", 0),
                                ("verify_max_age_hours__lte", 8760),
                            ),
                            _connector="OR",
                        ),
                        name="text_config_verify_max_age_hours_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("run_limit__isnull", True),
                            models.Q(("run_limit__gte", 1), ("run_limit__lte", 200000)),
                            _connector="OR",
                        ),
                        name="text_config_run_limit_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("chunk_size__isnull", True),
                            models.Q(("chunk_size__gte", 1), ("chunk_size__lte", 1000)),
                            _connector="OR",
                        ),
                        name="text_config_chunk_size_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("texts_per_call__isnull", True),
                            models.Q(("texts_per_call__gte", 1), ("texts_per_call__lte", 1000)),
                            _connector="OR",
                        ),
                        name="text_config_texts_per_call_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("in_flight__isnull", True),
                            models.Q(("in_flight__gte", 1), ("in_flight__lte", 5000)),
                            _connector="OR",
                        ),
                        name="text_config_in_flight_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("spacing_ms__isnull", True),
                            models.Q(("spacing_ms__gte", 0), ("spacing_ms__lte", 60000)),
                            _connector="OR",
                        ),
                        name="text_config_spacing_ms_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_minute__isnull", True),
                            models.Q(
                                ("requests_per_minute__gte", 1),
                                ("requests_per_minute__lte", 1000000),
                            ),
                            _connector="OR",
                        ),
                        name="text_config_requests_per_minute_bounds",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TextMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(blank=True, db_default="", max_length=100)),
                ("body", models.TextField(max_length=1600)),
                (
                    "weight",
                    models.FloatField(
                        db_default=1.0,
                        default=1.0,
                        validators=[
                            django.core.validators.MinValueValidator(0.001),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                ("active", models.BooleanField(db_default=True, default=True)),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                (
                    "hours_from",
                    models.TimeField(blank=True, help_text="The person's local time.", null=True),
                ),
                (
                    "hours_until",
                    models.TimeField(blank=True, help_text="The last moment excluded.", null=True),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="text_messages",
                        to="brands.brand",
                    ),
                ),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="sms.textcampaign",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("weight__gte", 0.001), ("weight__lte", 1000000)),
                        name="text_message_weight_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("body", ""), _negated=True),
                        name="text_message_has_body",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_from__isnull", True),
                            ("valid_until__isnull", True),
                            ("valid_from__lt", models.F("valid_until")),
                            _connector="OR",
                        ),
                        name="text_message_validity_in_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hours_from__isnull", True),
                            ("hours_until__isnull", True),
                            ("hours_from__lt", models.F("hours_until")),
                            _connector="OR",
                        ),
                        name="text_message_hours_in_order",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ChoiceRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("looked_at", models.PositiveIntegerField(db_default=0)),
                ("chosen", models.PositiveIntegerField(db_default=0)),
                ("reserved", models.PositiveIntegerField(db_default=0)),
                (
                    "stopped_by",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "nothing"),
                            ("sending_off", "sending is off"),
                            ("daily_cap", "the daily cap is reached"),
                            ("no_messages", "no message is valid now"),
                        ],
                        db_default="",
                        max_length=11,
                    ),
                ),
                ("dry_run", models.BooleanField(db_default=False)),
                (
                    "reasons",
                    models.JSONField(
                        db_default=models.Value({}, output_field=models.JSONField()), default=dict
                    ),
                ),
                ("cursor", models.BigIntegerField(db_default=0)),
                ("seed", models.BigIntegerField(db_default=0)),
                ("duration_ms", models.PositiveIntegerField(db_default=0)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="choice_runs",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["minute"], name="choice_run_by_minute")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("brand", "minute"), name="choice_run_once_a_minute"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Keyword",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "word",
                    models.CharField(
                        help_text="In lower case; spaces are part of it.", max_length=40
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("stop", "leave"), ("help", "ask for help"), ("join", "join")],
                        max_length=4,
                    ),
                ),
                (
                    "reply",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Answered once; empty: nothing.",
                        max_length=320,
                    ),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="keywords",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("word", "brand"),
                        name="keyword_once_per_brand",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("word", django.db.models.functions.text.Lower(models.F("word"))),
                            models.Q(("word", ""), _negated=True),
                        ),
                        name="keyword_in_lower_case",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["stop", "help", "join"])),
                        name="keyword_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "join"), _negated=True),
                            ("brand__isnull", False),
                            _connector="OR",
                        ),
                        name="keyword_to_join_has_brand",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PhoneSuppression",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("phone", models.CharField(blank=True, db_collation="C", max_length=16, null=True)),
                ("phone_digest", models.BinaryField(blank=True, max_length=32, null=True)),
                ("digest_version", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("stop", "asked us to stop"),
                            ("invalid", "the number does not exist"),
                            ("complaint", "complained"),
                            ("erased", "had all traces removed"),
                            ("blocked", "blocked by hand"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, db_default="", max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("lifted_at", models.DateTimeField(blank=True, null=True)),
                ("lifted_by", models.CharField(blank=True, db_default="", max_length=150)),
                (
                    "brand",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="phone_suppressions",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at__isnull", True), ("phone__isnull", False)),
                        fields=("phone", "brand", "reason"),
                        name="phone_suppression_active",
                        nulls_distinct=False,
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("lifted_at__isnull", True), ("phone_digest__isnull", False)
                        ),
                        fields=("phone_digest",),
                        name="phone_suppression_active_digest",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("reason", "erased"),
                                ("brand__isnull", True),
                                ("digest_version__isnull", False),
                                ("phone__isnull", True),
                                ("phone_digest__isnull", False),
                            ),
                            models.Q(
                                models.Q(("reason", "erased"), _negated=True),
                                ("digest_version__isnull", True),
                                ("phone__isnull", False),
                                ("phone_digest__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="phone_suppression_erased_keeps_digest_only",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("phone__isnull", True),
                            ("phone__regex", "^\\+[1-9][0-9]{6,14}$"),
                            _connector="OR",
                        ),
                        name="phone_suppression_phone_is_e164",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reason__in", ["stop", "invalid", "complaint", "erased", "blocked"])
                        ),
                        name="phone_suppression_reason_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lifted_at__isnull", True), ("lifted_by", "")),
                            models.Q(
                                ("lifted_at__isnull", False),
                                models.Q(("lifted_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="phone_suppression_lifted_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("active", models.BooleanField(db_default=True, default=True)),
                ("opted_in_at", models.DateTimeField(blank=True, null=True)),
                ("opted_out_at", models.DateTimeField(blank=True, null=True)),
                ("source", models.CharField(blank=True, db_default="", max_length=100)),
                ("proof", models.CharField(blank=True, db_default="", max_length=500)),
                ("verified_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="text_subscriptions",
                        to="brands.brand",
                    ),
                ),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscriptions",
                        to="sms.subscriber",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["subscriber"], name="subscription_of_subscriber")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("brand", "subscriber"), name="subscription_once_per_brand"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("active", True), ("opted_out_at__isnull", True)),
                            models.Q(("active", False), ("opted_out_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="subscription_left_when_inactive",
                    ),
                ],
            },
        ),
        migrations.RunSQL(SAME_BRAND, DIFFERENT_BRAND),
        migrations.RunSQL(TUNING, migrations.RunSQL.noop),
        migrations.RunSQL(SEEDS, migrations.RunSQL.noop),
        *audit_table("sms_textconfig"),
        *audit_table("sms_statehours", brand_column=None),
        *audit_table("sms_keyword"),
        *audit_table("sms_phonesuppression", hidden=("phone", "phone_digest")),
        *audit_table("sms_textcampaign"),
        *audit_table("sms_textmessage"),
    ]
