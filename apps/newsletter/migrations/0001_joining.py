"""How people join, what they asked for, caches to invalidate, texts of the contact form."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.brands.secrets
import apps.newsletter.models.joining
from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0006_pausing"),
        ("mail", "0006_specimens"),
        ("brands", "0006_lime_and_scopes"),
    ]

    operations = [
        migrations.CreateModel(
            name="OptIn",
            fields=[
                (
                    "contact",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="opt_in",
                        serialize=False,
                        to="contacts.contact",
                    ),
                ),
                (
                    "topic_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("text_shown", models.TextField(blank=True)),
                ("ip", models.GenericIPAddressField(null=True)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("form", "a form of ours"),
                            ("link", "a link in a mail"),
                            ("one_click", "the mail client's button"),
                            ("preferences", "the preferences page"),
                            ("import", "a file"),
                            ("api", "the API"),
                            ("operator", "an operator"),
                            ("provider", "the email provider"),
                        ],
                        max_length=12,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("correlation_id", models.CharField(blank=True, max_length=64)),
                ("asked_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("window_started_at", models.DateTimeField(null=True)),
                ("mails", models.PositiveSmallIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.CreateModel(
            name="JoiningRules",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "double_opt_in",
                    models.BooleanField(
                        default=True,
                        help_text="Whether people confirm by a link in a mail before they get any.",
                    ),
                ),
                (
                    "origins",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=300, validators=[apps.newsletter.models.joining.check_origin]
                        ),
                        blank=True,
                        default=list,
                        help_text="Pages that may ask without a key, such as https://www.example.com; separated by commas.",
                        size=None,
                    ),
                ),
                (
                    "shows_count",
                    models.BooleanField(
                        default=True,
                        help_text="Whether anybody may ask how many subscribe, in round numbers.",
                    ),
                ),
                (
                    "captcha_secret",
                    apps.brands.secrets.EncryptedTextField(
                        blank=True,
                        db_default="",
                        help_text="Of Turnstile or a service of its form. With one, the contact form asks for a captcha_token.",
                    ),
                ),
                (
                    "contact_forward_to",
                    models.EmailField(
                        blank=True,
                        db_default="",
                        help_text="Where the contact form's texts go. Without one they are only kept here.",
                        max_length=254,
                    ),
                ),
                (
                    "brand",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="joining_rules",
                        to="brands.brand",
                    ),
                ),
                (
                    "confirm_template",
                    models.ForeignKey(
                        blank=True,
                        help_text="Must show {{ variables.confirm_url }}. Without one a plain mail of ours goes out, in the person's language.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mail.template",
                    ),
                ),
                (
                    "default_topics",
                    models.ManyToManyField(
                        blank=True,
                        help_text="What people join who name no topic.",
                        related_name="+",
                        to="contacts.topic",
                    ),
                ),
                (
                    "sender",
                    models.ForeignKey(
                        blank=True,
                        help_text="Of confirmations, welcomes and single mails; else the brand's default sender.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="brands.sender",
                    ),
                ),
                (
                    "welcome_template",
                    models.ForeignKey(
                        blank=True,
                        help_text="Goes out when somebody has joined. Without one there is no welcome mail.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="mail.template",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "joining rules",
            },
        ),
        migrations.CreateModel(
            name="CacheInvalidation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=256), size=None
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits"),
                            ("calling", "a call is under way"),
                            ("done", "done"),
                            ("dead", "given up"),
                        ],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("fence", models.IntegerField(db_default=0, default=0)),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("last_error", models.CharField(blank=True, db_default="", max_length=300)),
                ("correlation_id", models.CharField(blank=True, db_default="", max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "brand",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "calling"])),
                        fields=["due_at"],
                        name="cache_invalidation_due",
                    ),
                    models.Index(
                        condition=models.Q(("settled_at__isnull", False)),
                        fields=["settled_at"],
                        name="cache_invalidation_settled",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("settled_at__isnull", False), ("state__in", ["done", "dead"])
                            ),
                            models.Q(
                                ("settled_at__isnull", True), ("state__in", ["waiting", "calling"])
                            ),
                            _connector="OR",
                        ),
                        name="cache_invalidation_settled_both_or_neither",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tags__len__gt", 0)), name="cache_invalidation_has_tags"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("brand", "tags"),
                        name="cache_invalidation_waits_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ContactSubmission",
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
                            ("kept", "kept here"),
                            ("forwarded", "forwarded"),
                            ("held", "waits to be looked at"),
                            ("discarded", "discarded"),
                        ],
                        max_length=9,
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=150)),
                ("email", models.CharField(max_length=254)),
                ("address", models.CharField(db_collation="C", max_length=254)),
                ("subject", models.CharField(blank=True, max_length=200)),
                ("message", models.TextField()),
                ("ip", models.GenericIPAddressField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("decided_by", models.CharField(blank=True, db_default="", max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("forwarded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "brand",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contact_submissions",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact form text",
                "indexes": [
                    models.Index(fields=["brand", "id"], name="contact_submission_page"),
                    models.Index(
                        fields=["address", "created_at"], name="contact_submission_address"
                    ),
                    models.Index(fields=["ip", "created_at"], name="contact_submission_ip"),
                    models.Index(fields=["created_at"], name="contact_submission_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["kept", "forwarded", "held", "discarded"])
                        ),
                        name="contact_submission_state_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="JoinRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", models.CharField(max_length=254)),
                (
                    "details",
                    models.JSONField(
                        default=dict, help_text="first_name, last_name, locale, timezone."
                    ),
                ),
                (
                    "topic_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("form", "a form of ours"),
                            ("link", "a link in a mail"),
                            ("one_click", "the mail client's button"),
                            ("preferences", "the preferences page"),
                            ("import", "a file"),
                            ("api", "the API"),
                            ("operator", "an operator"),
                            ("provider", "the email provider"),
                        ],
                        max_length=12,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("text_shown", models.TextField(blank=True)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("correlation_id", models.CharField(blank=True, max_length=64)),
                (
                    "asked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), null=True
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("last_error", models.CharField(blank=True, db_default="", max_length=300)),
                (
                    "brand",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="brands.brand",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["due_at", "id"],
                        name="join_request_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MailAction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("action", models.SlugField(max_length=60)),
                (
                    "rules",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="actions",
                        to="newsletter.joiningrules",
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
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("rules", "action"), name="mail_action_once")
                ],
            },
        ),
        *audit_table("newsletter_joiningrules", hidden=("captcha_secret", "contact_forward_to")),
        *audit_table("newsletter_mailaction", brand_column=None),
    ]
