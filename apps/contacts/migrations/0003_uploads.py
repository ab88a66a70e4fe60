"""Files uploaded by operators; why a suppression was lifted."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("brands", "0001_initial"),
        ("contacts", "0002_consent_is_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="FileUpload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file_name", models.CharField(max_length=150)),
                ("folder", models.UUIDField(unique=True)),
                ("file_bytes", models.BigIntegerField()),
                ("uploaded_by", models.CharField(max_length=150)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("mapping", "columns to be mapped"),
                            ("previewing", "being previewed"),
                            ("previewed", "waits for your decision"),
                            ("importing", "being imported"),
                            ("finished", "finished"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="mapping",
                        max_length=10,
                    ),
                ),
                ("look", models.JSONField(default=dict)),
                ("options", models.JSONField(default=dict)),
                ("preview", models.JSONField(blank=True, null=True)),
                ("results", models.JSONField(blank=True, null=True)),
                ("problem", models.TextField(blank=True, db_default="")),
                ("phase", models.CharField(blank=True, db_default="", max_length=30)),
                ("bytes_done", models.BigIntegerField(default=0)),
                ("rows_done", models.BigIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "run_after",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("cancel_asked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("files_deleted_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "import",
            },
        ),
        migrations.AddField(
            model_name="suppression",
            name="lift_note",
            field=models.CharField(blank=True, db_default="", max_length=200),
        ),
        migrations.AddField(
            model_name="fileupload",
            name="brand",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="uploads",
                to="brands.brand",
            ),
        ),
        migrations.AddField(
            model_name="fileupload",
            name="file_import",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contacts.fileimport",
            ),
        ),
        migrations.AddIndex(
            model_name="fileupload",
            index=models.Index(fields=["brand", "id"], name="upload_brand_page"),
        ),
        migrations.AddIndex(
            model_name="fileupload",
            index=models.Index(
                condition=models.Q(("state__in", ["previewing", "importing"])),
                fields=["run_after"],
                name="upload_under_way",
            ),
        ),
        migrations.AddIndex(
            model_name="fileupload",
            index=models.Index(
                condition=models.Q(("files_deleted_at__isnull", True)),
                fields=["changed_at"],
                name="upload_with_files",
            ),
        ),
        migrations.AddConstraint(
            model_name="fileupload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("state__in", ["finished", "cancelled"])),
                    models.Q(
                        ("ended_at__isnull", True),
                        (
                            "state__in",
                            ["mapping", "previewing", "previewed", "importing", "failed"],
                        ),
                    ),
                    _connector="OR",
                ),
                name="upload_ended_at_when_over",
            ),
        ),
        migrations.AddConstraint(
            model_name="fileupload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True),
                    models.Q(("problem", ""), _negated=True),
                    _connector="OR",
                ),
                name="upload_failed_with_problem",
            ),
        ),
    ]
