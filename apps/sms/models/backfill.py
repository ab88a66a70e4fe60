"""How far a backfill by command has come, so that it goes on where it stopped."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Backfill(models.Model):
    """One command on one source. `position` is the line (or the id) up to which all is done.

    `fingerprint` is of the file's beginning and size: another file of the same name starts anew.
    """

    command = models.CharField(max_length=40)
    source = models.CharField(max_length=500)
    fingerprint = models.CharField(max_length=64, db_default="")
    position = models.BigIntegerField(db_default=0)
    done = models.BigIntegerField(db_default=0)
    rejected = models.BigIntegerField(db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="backfill_once", fields=["command", "source"]),
        ]

    def __str__(self) -> str:
        return f"{self.command} of {self.source}"
