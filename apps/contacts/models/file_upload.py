"""Files that operators upload: looked at, mapped, previewed, imported."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

FILE_NAME_LIMIT = 150


class FileUploadQuerySet(models.QuerySet["FileUpload"]):
    def under_way(self) -> FileUploadQuerySet:
        """Those that a worker is at, or should be."""
        return self.filter(state__in=FileUpload.UNDER_WAY)


class FileUpload(models.Model):
    """One uploaded file, from its arrival to its result.

    The row is the truth: a wake-up only says that something is to be done, and whatever ends a
    worker, the next one goes on from here. A worker holds a lock of the database while it is at
    it (see `uploads.advancing`), so there is no lease to run out during a long merge.
    """

    class State(models.TextChoices):
        MAPPING = "mapping", "columns to be mapped"
        PREVIEWING = "previewing", "being previewed"
        PREVIEWED = "previewed", "waits for your decision"
        IMPORTING = "importing", "being imported"
        FINISHED = "finished", "finished"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    UNDER_WAY = (State.PREVIEWING, State.IMPORTING)
    OVER = (State.FINISHED, State.CANCELLED)

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="uploads", db_index=False
    )
    file_name = models.CharField(max_length=FILE_NAME_LIMIT)
    folder = models.UUIDField(unique=True)
    file_bytes = models.BigIntegerField()
    uploaded_by = models.CharField(max_length=150)
    state = models.CharField(max_length=10, choices=State, default=State.MAPPING)
    # What the file looks like: see `uploads.looking.Look`. Emptied when all is over.
    look = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    preview = models.JSONField(null=True, blank=True)
    results = models.JSONField(null=True, blank=True)
    problem = models.TextField(blank=True, db_default="")
    file_import = models.ForeignKey(
        "contacts.FileImport", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    phase = models.CharField(max_length=30, blank=True, db_default="")
    bytes_done = models.BigIntegerField(default=0)
    rows_done = models.BigIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    run_after = models.DateTimeField(db_default=Now())
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    files_deleted_at = models.DateTimeField(null=True, blank=True)

    objects = FileUploadQuerySet.as_manager()

    class Meta:
        verbose_name = "import"
        constraints = [
            # Also the list of all states.
            models.CheckConstraint(
                condition=Q(state__in=["finished", "cancelled"], ended_at__isnull=False)
                | Q(
                    state__in=["mapping", "previewing", "previewed", "importing", "failed"],
                    ended_at__isnull=True,
                ),
                name="upload_ended_at_when_over",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(problem=""), name="upload_failed_with_problem"
            ),
        ]
        indexes = [
            models.Index(fields=["brand", "id"], name="upload_brand_page"),
            models.Index(
                fields=["run_after"],
                condition=Q(state__in=["previewing", "importing"]),
                name="upload_under_way",
            ),
            models.Index(
                fields=["changed_at"],
                condition=Q(files_deleted_at__isnull=True),
                name="upload_with_files",
            ),
        ]

    def __str__(self) -> str:
        return f"import of {self.file_name}"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY
