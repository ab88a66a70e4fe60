"""Sequences, versions and steps, and who stands where."""

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.brands.models.brand
import apps.newsletter.digests.addresses
import apps.newsletter.models.engagement
import apps.newsletter.models.sequences
from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0004_digests")]

    operations = [
        migrations.CreateModel(
            name="Sequence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(help_text="Its name for programs.", max_length=60)),
                (
                    "name",
                    models.CharField(
                        help_text="Templates see it as campaign.name.", max_length=150
                    ),
                ),
                (
                    "takes_everybody",
                    models.BooleanField(
                        default=False,
                        help_text="Also take people who met the conditions before it was started.",
                    ),
                ),
                (
                    "again_after_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Days since the last mail or the end, 32 at least. Empty: once and never again.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(32),
                            django.core.validators.MaxValueValidator(3650),
                        ],
                        verbose_name="may enter again after",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("active", "active"),
                            ("paused", "paused"),
                            ("ended", "ended"),
                        ],
                        db_default="draft",
                        default="draft",
                        editable=False,
                        max_length=6,
                    ),
                ),
                ("enters_since", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sequences",
                        to="brands.brand",
                    ),
                ),
                (
                    "readers",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Whom its mails may reach: opted in to one of these. None chosen: everybody who is subscribed.",
                        related_name="+",
                        to="contacts.topic",
                    ),
                ),
                (
                    "sender",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="brands.sender",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SequenceVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("published_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("published_by", models.CharField(blank=True, editable=False, max_length=150)),
                (
                    "old_people",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("finish", "finish the version they are in"),
                            ("move", "go on in the new version"),
                        ],
                        editable=False,
                        max_length=6,
                    ),
                ),
                ("moved", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "sequence",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="newsletter.sequence",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sequence", "number"), name="sequence_version_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("published_at__isnull", True)),
                        fields=("sequence",),
                        name="sequence_one_draft",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("published_at__isnull", True), ("published_by", "")),
                            models.Q(
                                ("published_at__isnull", False),
                                models.Q(("published_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="sequence_version_published_by_somebody",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SequenceStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(50),
                        ]
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "wait",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="After the step before.",
                        validators=[django.core.validators.MaxValueValidator(1000)],
                    ),
                ),
                (
                    "wait_unit",
                    models.CharField(
                        choices=[("minutes", "minutes"), ("hours", "hours"), ("days", "days")],
                        default="days",
                        max_length=7,
                    ),
                ),
                (
                    "hour_from",
                    models.PositiveSmallIntegerField(
                        default=0,
                        validators=[django.core.validators.MaxValueValidator(23)],
                        verbose_name="from hour",
                    ),
                ),
                (
                    "hour_until",
                    models.PositiveSmallIntegerField(
                        default=24,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(24),
                        ],
                        verbose_name="until hour",
                    ),
                ),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        default=apps.newsletter.models.sequences.every_weekday,
                        size=None,
                        validators=[apps.newsletter.models.sequences.check_weekdays],
                    ),
                ),
                (
                    "content",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mail.content",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mail.template",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="newsletter.sequenceversion",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("version", "position"),
                        name="sequence_step_position_once",
                    ),
                    models.UniqueConstraint(
                        fields=("version", "key"), name="sequence_step_key_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("hour_from__lt", models.F("hour_until")), ("hour_until__lte", 24)
                        ),
                        name="sequence_step_hours_in_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("position__gte", 1), ("position__lte", 50)),
                        name="sequence_step_position_in_bounds",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SequenceRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("entry", "to enter"), ("exit", "leave when"), ("goal", "goal")],
                        max_length=5,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("topic_in", "opted in to the topic"),
                            ("topic_out", "not opted in to the topic"),
                            ("tier_is", "is in the tier"),
                            ("tier_not", "is not in the tier"),
                            ("event", "did (an interaction of this kind)"),
                            ("click", "clicked in a mail of this sequence"),
                        ],
                        max_length=9,
                        verbose_name="condition",
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        blank=True,
                        help_text="Such as purchased.",
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z][a-z0-9_]{0,39}$",
                                "Expected a name like visited: 1 to 40 of a-z, 0-9 and _, a letter first.",
                            )
                        ],
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True, help_text="Of the event; empty for any.", max_length=200
                    ),
                ),
                (
                    "before_step",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="For exits: only before the step of this number.",
                        null=True,
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="newsletter.tier",
                    ),
                ),
                (
                    "topic",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="contacts.topic",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rules",
                        to="newsletter.sequenceversion",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(fields=["version"], name="sequence_rule_of_version"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("event", ""),
                                ("kind__in", ("topic_in", "topic_out")),
                                ("topic__isnull", False),
                                ("tier__isnull", True),
                            ),
                            models.Q(
                                ("event", ""),
                                ("kind__in", ("tier_is", "tier_not")),
                                ("tier__isnull", False),
                                ("topic__isnull", True),
                            ),
                            models.Q(
                                ("kind", "event"),
                                ("tier__isnull", True),
                                ("topic__isnull", True),
                                models.Q(("event", ""), _negated=True),
                            ),
                            models.Q(
                                ("event", ""),
                                ("kind", "click"),
                                ("tier__isnull", True),
                                ("topic__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="sequence_rule_names_its_object",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", "click"), ("purpose", "entry"), _negated=True),
                        name="sequence_rule_entry_knows_no_clicks",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("before_step__isnull", True), ("purpose", "exit"), _connector="OR"
                        ),
                        name="sequence_rule_step_for_exits_only",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="sequence",
            name="current",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="newsletter.sequenceversion",
            ),
        ),
        migrations.CreateModel(
            name="Enrolment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("finished", "finished"),
                            ("goal", "reached the goal"),
                            ("exited", "left"),
                            ("removed", "removed"),
                        ],
                        default="active",
                        max_length=8,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=1)),
                ("due_at", models.DateTimeField(null=True)),
                (
                    "entered_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "moved_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_reason", models.CharField(blank=True, db_default="", max_length=60)),
                ("ended_by", models.CharField(blank=True, db_default="", max_length=150)),
                (
                    "contact",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="enrolments",
                        to="contacts.contact",
                    ),
                ),
                (
                    "sequence",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="enrolments",
                        to="newsletter.sequence",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="enrolments",
                        to="newsletter.sequenceversion",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "active")),
                        fields=["version", "position", "due_at"],
                        name="enrolment_due",
                    ),
                    models.Index(
                        fields=["sequence", "contact", "moved_at"], name="enrolment_of_sequence"
                    ),
                    models.Index(fields=["contact"], name="enrolment_of_contact"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")),
                        fields=("sequence", "contact"),
                        name="enrolment_one_active",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at__isnull", False),
                                ("ended_at__isnull", True),
                                ("state", "active"),
                            ),
                            models.Q(
                                models.Q(("state", "active"), _negated=True),
                                ("due_at__isnull", True),
                                ("ended_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="enrolment_due_while_active",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("active", "finished", "goal", "exited", "removed"))
                        ),
                        name="enrolment_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StepMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField()),
                ("month", models.DateField()),
                ("contact_id", models.BigIntegerField()),
                ("due_at", models.DateTimeField()),
                (
                    "made_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "enrolment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mails",
                        to="newsletter.enrolment",
                    ),
                ),
                (
                    "mailing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mail.mailing",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="newsletter.sequencestep",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["step"], name="step_mail_of_step"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("enrolment", "key"), name="step_mail_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="StepMailing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField()),
                (
                    "mailing",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sequence_step",
                        to="mail.mailing",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mailings",
                        to="newsletter.sequencestep",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("step", "month"), name="step_mailing_once_per_month"
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="sequence",
            constraint=models.UniqueConstraint(
                fields=("brand", "slug"), name="sequence_slug_once_per_brand"
            ),
        ),
        migrations.AddConstraint(
            model_name="sequence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "draft"),
                    models.Q(("current__isnull", False), ("enters_since__isnull", False)),
                    _connector="OR",
                ),
                name="sequence_started_with_version",
            ),
        ),
        migrations.AddConstraint(
            model_name="sequence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("again_after_days__isnull", True),
                    ("again_after_days__gte", 32),
                    _connector="OR",
                ),
                name="sequence_again_not_within_a_month",
            ),
        ),
        *audit_table("newsletter_sequence"),
        *audit_table("newsletter_sequenceversion", brand_column=None),
        *audit_table("newsletter_sequencestep", brand_column=None),
        *audit_table("newsletter_sequencerule", brand_column=None),
    ]
