"""Imports of files: how far each has come, and what it did."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class FileImportQuerySet(models.QuerySet["FileImport"]):
    def unfinished(self) -> FileImportQuerySet:
        return self.filter(state__in=[FileImport.State.STAGING, FileImport.State.MERGED])


class FileImport(models.Model):
    """One file into one brand.

    While it is under way its rows lie in an unlogged table of its own, `rows_table`, filled in
    chunks; `byte_offset` and `next_line` move on with each chunk, in the same transaction.
    """

    class State(models.TextChoices):
        STAGING = "staging", "reading the file"
        MERGED = "merged", "merged, rejected rows still to be written out"
        FINISHED = "finished", "finished"
        DISCARDED = "discarded", "discarded"

    brand = models.ForeignKey(
        "brands.Brand", on_delete=models.PROTECT, related_name="imports", db_index=False
    )
    file_name = models.CharField(max_length=255)
    file_digest = models.CharField(max_length=64)
    file_bytes = models.BigIntegerField()
    options = models.JSONField()
    options_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=9, choices=State, default=State.STAGING)
    byte_offset = models.BigIntegerField(default=0)
    next_line = models.BigIntegerField(default=1)
    rows_read = models.BigIntegerField(default=0)
    short_rows = models.BigIntegerField(default=0)
    results = models.JSONField(default=dict)
    correlation_id = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = FileImportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "file_digest", "options_digest"],
                condition=Q(state__in=["staging", "merged"]),
                name="import_unfinished_once",
            ),
            models.CheckConstraint(
                condition=Q(byte_offset__gte=0, byte_offset__lte=F("file_bytes")),
                name="import_offset_inside_file",
            ),
            # Also the list of all states.
            models.CheckConstraint(
                condition=Q(state__in=["finished", "discarded"], finished_at__isnull=False)
                | Q(state__in=["staging", "merged"], finished_at__isnull=True),
                name="import_ended_at_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}: {self.state}"

    @property
    def rows_table(self) -> str:
        return f"contacts_import_rows_{self.pk}"
