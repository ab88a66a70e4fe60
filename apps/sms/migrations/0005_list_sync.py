import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.sms.models.opt_in_list
from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0006_lime_and_scopes"),
        ("sms", "0004_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="ListSyncRun",
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
                            ("waiting", "waiting"),
                            ("running", "under way"),
                            ("asks", "asks whether so many left"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("superseded", "answered by a later run"),
                        ],
                        db_default="waiting",
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("schedule", "every 15 minutes"),
                            ("command", "by command"),
                            ("operator", "by an operator"),
                        ],
                        max_length=8,
                    ),
                ),
                ("requested_by", models.CharField(blank=True, db_default="", max_length=150)),
                (
                    "may_leave",
                    models.PositiveIntegerField(
                        help_text="So many may be opted out, whatever their share; null: by the list.",
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "run_after",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.PositiveIntegerField(db_default=0)),
                ("attempts", models.PositiveSmallIntegerField(db_default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                ("phase", models.CharField(blank=True, db_default="", max_length=20)),
                ("bytes_read", models.BigIntegerField(db_default=0)),
                ("records", models.PositiveIntegerField(db_default=0)),
                ("rejected", models.PositiveIntegerField(db_default=0)),
                ("created", models.PositiveIntegerField(db_default=0)),
                ("joined", models.PositiveIntegerField(db_default=0)),
                ("verified", models.PositiveIntegerField(db_default=0)),
                ("kept_out", models.PositiveIntegerField(db_default=0)),
                ("left", models.PositiveIntegerField(db_default=0)),
                ("were_active", models.PositiveIntegerField(db_default=0)),
                ("would_leave", models.PositiveIntegerField(db_default=0)),
                ("problem", models.CharField(blank=True, db_default="", max_length=500)),
                ("correlation_id", models.CharField(blank=True, db_default="", max_length=64)),
            ],
            options={
                "verbose_name": "list sync",
            },
        ),
        migrations.CreateModel(
            name="ListReject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "line",
                    models.PositiveIntegerField(
                        help_text="Of the document, where the record begins."
                    ),
                ),
                ("field", models.CharField(max_length=40)),
                ("reason", models.CharField(max_length=200)),
                ("number", models.CharField(blank=True, db_default="", max_length=60)),
                ("opt_in_date", models.CharField(blank=True, db_default="", max_length=60)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejects",
                        to="sms.listsyncrun",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="OptInList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "list_id",
                    models.CharField(
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9_-]+$", "Letters and digits only."
                            )
                        ],
                    ),
                ),
                (
                    "keyword",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Such as PIZZA (71441-US).",
                        max_length=160,
                    ),
                ),
                (
                    "timezone",
                    models.CharField(
                        db_default="America/New_York",
                        default="America/New_York",
                        help_text="Of the list's dates: the provider tells them without one.",
                        max_length=64,
                        validators=[apps.sms.models.opt_in_list.check_zone],
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Whether it is synced every 15 minutes.",
                    ),
                ),
                (
                    "leave_percent",
                    models.PositiveSmallIntegerField(
                        db_default=10,
                        default=10,
                        help_text="A sync that would opt out more of its people than this stops and asks.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="brands.provideraccount",
                    ),
                ),
                (
                    "brand",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="opt_in_lists",
                        to="brands.brand",
                    ),
                ),
                (
                    "last_run",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="sms.listsyncrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "opt-in list",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("brand", "account", "list_id"), name="opt_in_list_once_per_brand"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("leave_percent__range", (1, 100))),
                        name="opt_in_list_leave_percent",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="listsyncrun",
            name="opt_in_list",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="runs",
                to="sms.optinlist",
            ),
        ),
        migrations.CreateModel(
            name="ListMember",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "opt_in_list_id",
                        "subscriber_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sms.subscriber",
                    ),
                ),
                (
                    "opt_in_list",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sms.optinlist",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["subscriber"], name="list_member_of_subscriber"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="listsyncrun",
            index=models.Index(fields=["opt_in_list", "-id"], name="list_sync_of_list"),
        ),
        migrations.AddIndex(
            model_name="listsyncrun",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=["run_after"],
                name="list_sync_open",
            ),
        ),
        migrations.AddIndex(
            model_name="listsyncrun",
            index=models.Index(fields=["created_at"], name="list_sync_by_age"),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=("opt_in_list",),
                name="list_sync_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["waiting", "running", "asks", "done", "failed", "superseded"])
                ),
                name="list_sync_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("state__in", ["waiting", "running"])),
                    models.Q(
                        models.Q(("state__in", ["waiting", "running"]), _negated=True),
                        ("ended_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="list_sync_ended_when_final",
            ),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_until__isnull", False), ("state", "running")),
                    models.Q(
                        models.Q(("state", "running"), _negated=True), ("lease_until__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="list_sync_lease_when_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    models.Q(("problem", ""), _negated=True),
                    _connector="OR",
                ),
                name="list_sync_failed_with_problem",
            ),
        ),
        migrations.AddConstraint(
            model_name="listsyncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(("would_leave__lte", models.F("were_active"))),
                name="list_sync_would_leave_of_active",
            ),
        ),
        *audit_table("sms_optinlist", ignored=("last_run_id",)),
    ]
